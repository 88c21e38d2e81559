--- Cases of WebSocket in the manner of the Autobahn suite: what a peer sends, and what comes of it.
-- ws_table.lua says what a case is.

require "spec.conformance.ws_frames"
require "spec.conformance.ws_compressed"

return require "spec.conformance.ws_table"
