std = "lua54"
max_line_length = 100
files["spec"] = { std = "+busted" }
files["**/*.d.lua"] = { unused = false, unused_args = false }
