--- Writes doc/conformance.md: each rule with the tests and fixtures that show it.
--
--     lua5.4 spec/conformance/table.lua >doc/conformance.md
--
-- Run from the root of the tree. It is an error if a rule names a test that its file does not
-- have, or a fixture shows a rule that is not in the list.

package.path = "./?.lua;" .. package.path
local websocket = require "spec.conformance.websocket"

local table_of_rules = {}

local rfcs = {
  { "9112", "RFC 9112, HTTP/1.1" },
  { "9110", "RFC 9110, HTTP Semantics" },
  { "6265bis", "RFC 6265bis, Cookies" },
  { "6455", "RFC 6455, WebSocket" },
  { "7692", "RFC 7692, Compression of WebSocket" },
}

local rule_files = { "spec/conformance/rules.lua", "spec/conformance/rules_websocket.lua" }

local function read(path)
  local file <close> = assert(io.open(path, "rb"))
  return file:read("a")
end

-- Documents by rule: the last part of their path without ".md".
local function fixtures_by_rule()
  local found = {}
  local listing <close> = assert(io.popen("ls spec/fixtures/http/*.md"))
  for path in listing:lines() do
    local context = read(path):match("\n```context\n(.-)\n```") or ""
    for rule in ("\n" .. context):gmatch("\nshows: ([^\n]+)") do
      found[rule] = found[rule] or {}
      table.insert(found[rule], path:match("([^/]+)%.md$"))
    end
  end
  return found
end

local function check_tests(tests, problems, sources)
  for _, test in ipairs(tests) do
    local path, title = test[1], test[2]
    sources[path] = sources[path] or read(path)
    if not sources[path]:find('"' .. title .. '"', 1, true) then
      problems[#problems + 1] = ("%s has no test %q"):format(path, title)
    end
  end
end

local function evidence(tests, fixtures, cases)
  local shown = {}
  for _, test in ipairs(tests) do
    local title = test[2]:gsub(": $", "") -- of several tests, behind which a name stands
    shown[#shown + 1] = ("`%s`: %s"):format(test[1], title)
  end
  if #fixtures > 0 then
    table.sort(fixtures)
    shown[#shown + 1] = "fixtures " .. table.concat(fixtures, ", ")
  end
  if cases then shown[#shown + 1] = "cases " .. table.concat(cases, ", ") end
  return #shown > 0 and table.concat(shown, "; ") or "-"
end

-- What shows a rule, or why nothing does.
local function shown_by(rule, tests, fixtures)
  return rule.is_open and "not offered yet" or evidence(tests, fixtures, rule.cases)
end

-- All rules, of all files.
local function read_rules()
  local rules = {}
  for _, path in ipairs(rule_files) do
    for _, rule in ipairs(dofile(path)) do rules[#rules + 1] = rule end
  end
  return rules
end

-- The groups of cases of WebSocket, a row for each.
local function add_cases(add)
  add("")
  add("## Cases of WebSocket")
  add("")
  add("Cases in the manner of the Autobahn suite. Each has exactly one outcome that passes: these")
  add("events, this close code, and nothing more. They are data, in")
  add("`spec/conformance/websocket.lua`; a case has one variant or more, such as a text cut into")
  add("fragments at every byte.")
  add("")
  add("| group | cases | variants |")
  add("| --- | --: | --: |")
  local count, variants = 0, 0
  for _, group in ipairs(websocket.groups) do
    add(("| %d. %s | %d | %d |"):format(group.number, group.title, group.count, group.variants))
    count, variants = count + group.count, variants + group.variants
  end
  add(("| all | %d | %d |"):format(count, variants))
  add("")
  for _, run in ipairs(websocket.runs) do add(("- `%s`: %s"):format(run[1], run[2])) end
end

--- The document, the rules without a test, and what is wrong with the list.
function table_of_rules.build()
  local rules = read_rules()
  local fixtures, sources = fixtures_by_rule(), {}
  local lines, open, problems = {}, {}, {}
  local function add(line) lines[#lines + 1] = line end

  add("# Conformance")
  add("")
  add("What a client must do by RFC 9112, RFC 9110, RFC 6265bis, RFC 6455 and RFC 7692, and the")
  add("tests that show it; fixtures are the documents in `spec/fixtures/http`, cases are groups of")
  add("those at the end of this page. Written by `lua5.4 spec/conformance/table.lua`.")
  for _, rfc in ipairs(rfcs) do
    add("")
    add("## " .. rfc[2])
    add("")
    add("| section | rule | shown by |")
    add("| --- | --- | --- |")
    for _, rule in ipairs(rules) do
      local section = rule[1]:match("^" .. rfc[1] .. " (.+)$")
      if section then
        local tests = table.move(rule, 3, #rule, 1, {})
        local documents = fixtures[rule[1]] or {}
        fixtures[rule[1]] = nil
        check_tests(tests, problems, sources)
        local is_shown = #tests + #documents > 0 or rule.cases
        if not is_shown and not rule.is_open then open[#open + 1] = rule[1] end
        add(("| %s | %s | %s |"):format(section, rule[2], shown_by(rule, tests, documents)))
      end
    end
  end
  add_cases(add)
  for rule in pairs(fixtures) do
    problems[#problems + 1] = ("no rule %s, which a fixture shows"):format(rule)
  end
  table.sort(problems)
  return table.concat(lines, "\n") .. "\n", open, problems
end

if arg and arg[0] and arg[0]:find("conformance/table%.lua$") then
  local document, open, problems = table_of_rules.build()
  io.stdout:write(document)
  for _, problem in ipairs(problems) do io.stderr:write(problem, "\n") end
  for _, rule in ipairs(open) do io.stderr:write("no test shows ", rule, "\n") end
  os.exit(#problems == 0)
end

return table_of_rules
