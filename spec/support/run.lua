--- One request with a body, and all that it needs: peers, clients, what has to arrive.

local support = require "spec.support"

local peer = support.peer

local Run = {}
Run.__index = Run

--- A run with a body: `options` of the request, `sent` its bytes, `window` the receive buffer of
-- peers.
function Run.new(options, sent, is_stream, window)
  return setmetatable({ peers = {}, clients = {}, window = window, options = options, sent = sent,
    is_stream = is_stream }, Run)
end

--- A peer whose connections play one script each, the last one again and again.
function Run:listen(...)
  local p = peer.listen { script = { ... }, repeat_last = true, receive_buffer = self.window }
  self.peers[#self.peers + 1] = p
  return p
end

function Run:client(options)
  local client = support.client(options)
  self.clients[#self.clients + 1] = client
  return client
end

--- Sends the body there, and reads the response to its end. Returns what the request does, or
-- what reading the response does.
function Run:send(client, url, more)
  local options = { stream = self.is_stream or nil }
  for key, value in pairs(self.options) do options[key] = value end
  for key, value in pairs(more or {}) do options[key] = value end
  local response <close>, message, err = client:post(url, options)
  if not response then
    if err.response then err.response:dispose() end
    return nil, message, err
  end
  local text
  text, message, err = response:text()
  if not text then return nil, message, err end
  return response.status
end

--- The same to a peer of such scripts, by a client of its own.
function Run:send_to(scripts, more, client_options)
  return self:send(self:client(client_options), self:listen(table.unpack(scripts)).url .. "/", more)
end

function Run:close()
  for _, client in ipairs(self.clients) do client:close() end
  for _, p in ipairs(self.peers) do p:stop() end
end

--- Raises unless each body that came in is the beginning of the one that was sent.
function Run:check_received()
  for _, p in ipairs(self.peers) do
    for _, received in ipairs(p:received()) do
      for from in received:gmatch "POST [^\r]*\r\n.-\r\n\r\n()" do
        local body = received:sub(from, from + #self.sent - 1)
        body = body:match "^(.-)POST /" or body
        assert(body == self.sent:sub(1, #body), "other bytes were sent")
      end
    end
  end
end

return Run
