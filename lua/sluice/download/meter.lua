--- How far a download is, how fast, and how long it will take: reported at most ten times a
-- second.

local core = require "sluice.core"

local Meter = {}
Meter.__index = Meter

local interval = 100000000 -- nanoseconds between two reports

-- Reports that the rate is measured over: about five seconds.
local window = 50

--- A meter that calls `report(done, total, rate, remaining)`; without it, none. `total`, `rate` (in
-- bytes a second) and `remaining` (seconds) are nil while unknown.
function Meter.new(report)
  return setmetatable({ call = report or false, counts = {}, times = {}, reported_at = 0 }, Meter)
end

-- Bytes a second since the oldest of the last reports, or nil.
local function measure(self, done, now)
  local counts, times = self.counts, self.times
  if #counts > 0 and done < counts[#counts] then -- it starts over
    counts, times = {}, {}
    self.counts, self.times = counts, times
  end
  counts[#counts + 1], times[#times + 1] = done, now
  if #counts > window then
    table.remove(counts, 1)
    table.remove(times, 1)
  end
  local elapsed = (now - times[1]) / 1e9
  return elapsed > 0 and (done - counts[1]) / elapsed or nil
end

local function tell(self, done, total, now)
  local rate = measure(self, done, now)
  self.reported_at = now
  self.call(done, total, rate, total and rate and rate > 0 and (total - done) / rate or nil)
end

--- So many bytes are there before the download begins.
function Meter:begin(done)
  self.counts, self.times = { done }, { core.now() }
end

--- So many bytes are there.
function Meter:report(done, total)
  if not self.call or done == total then return end -- the last report is that of the end
  local now = core.now()
  if now - self.reported_at >= interval then tell(self, done, total, now) end
end

--- All bytes are there: the last report.
function Meter:finish(done)
  if self.call then tell(self, done, done, core.now()) end
end

return Meter
