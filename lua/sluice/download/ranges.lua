--- Which bytes of a file are there: an array of { from, to }, `to` excluded, in their order, with
-- gaps between them.

local ranges = {}

--- Adds the bytes from `from` to `to`, excluded.
function ranges.add(list, from, to)
  local first = 1
  while list[first] and list[first][2] < from do first = first + 1 end
  local last = first
  while list[last] and list[last][1] <= to do
    from, to = math.min(from, list[last][1]), math.max(to, list[last][2])
    last = last + 1
  end
  if last == first then
    table.insert(list, first, { from, to })
    return
  end
  list[first] = { from, to }
  table.move(list, last, #list + (last - first - 1), first + 1)
end

--- How many bytes are there.
function ranges.count(list)
  local count = 0
  for _, range in ipairs(list) do count = count + range[2] - range[1] end
  return count
end

--- The ranges between those that are there, up to `total`; nil: the last one has no end.
function ranges.missing(list, total)
  local missing, from = {}, 0
  for _, range in ipairs(list) do
    if range[1] > from then missing[#missing + 1] = { from, range[1] } end
    from = range[2]
  end
  if not total or from < total then missing[#missing + 1] = { from, total } end
  return missing
end

--- Cuts ranges into pieces of at most `most` bytes.
function ranges.split(list, most)
  local pieces = {}
  for _, range in ipairs(list) do
    for from = range[1], range[2] - 1, most do
      pieces[#pieces + 1] = { from, math.min(from + most, range[2]) }
    end
  end
  return pieces
end

return ranges
