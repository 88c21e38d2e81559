--- lua5.4 examples/chat.lua URL QUESTION - streams the answer of a language model to the terminal.
-- URL is that of an OpenAI-compatible server, with its version: http://127.0.0.1:8080/v1. Its key
-- and the model are taken from CHAT_KEY and CHAT_MODEL. Ctrl-C ends the answer.

local sluice = require "sluice"
local url, question, key = arg[1], arg[2], os.getenv "CHAT_KEY"
if not question then io.stderr:write "usage: chat.lua URL QUESTION\n" os.exit(2) end

local client <close> = assert(sluice.client {
  base_url = url, auth = key and { bearer = key } or nil, fail_status = true,
  timeout = { idle = tonumber(os.getenv "CHAT_STALL") or 30 }, -- a stall is a failure
  retry = { tries = 4, methods = { "POST" }, statuses = { 429, 503, 529 } }, -- by Retry-After
})
local first, usage

local function answer()
  local response <close> = assert(client:post("chat/completions", { stream = true, json = {
    model = os.getenv "CHAT_MODEL" or "default", stream = true,
    stream_options = { include_usage = true },
    messages = { { role = "user", content = question } },
  } }))
  for event in response:events() do
    if event.data == "[DONE]" then return end
    local chunk = assert(event:json())
    local choice = chunk.choices and chunk.choices[1]
    local text = choice and choice.delta and choice.delta.content
    if type(text) == "string" then
      first = first or response.timings.elapsed
      io.write(text):flush()
    end
    if type(chunk.usage) == "table" then usage = chunk.usage end
  end
end

local ok, reason = pcall(answer)
print(ok and "" or ("\n%s"):format(tostring(reason):find "interrupted!$" and "cancelled" or reason))
if first then print(("first token after %.0f ms"):format(first * 1000)) end
if usage then print(("%d + %d tokens"):format(usage.prompt_tokens, usage.completion_tokens)) end
os.exit(ok, true)
