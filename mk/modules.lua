-- mk/modules.lua ABI FORM FILE... - modules of the Lua layer as a source file in C, on stdout
--
-- FORM compiled: as this interpreter compiles them, if it is the Lua that ABI names; their lines
-- stay known. FORM text, or another Lua: as they are.

local abi, form = arg[1], arg[2]
local compiled = form ~= "text" and _VERSION == "Lua " .. abi

-- As text between quotes, in lines that compilers take.
local function quoted(bytes)
  local lines = {}
  for from = 1, #bytes, 64 do
    local line = bytes:sub(from, from + 63):gsub(".", function(byte)
      return ("\\%03o"):format(byte:byte())
    end)
    lines[#lines + 1] = ('    "%s"'):format(line)
  end
  return table.concat(lines, "\n")
end

local modules = {}
for i = 3, #arg do
  local path = arg[i]
  local name = path:match "^lua/(.*)%.lua$":gsub("/", ".")
  local file <close> = assert(io.open(path, "rb"))
  local text = file:read "a"
  local chunk, message = load(text, "=" .. name:gsub("%.", "/") .. ".lua", "t")
  if not chunk then
    io.stderr:write(message, "\n")
    os.exit(1)
  end
  modules[#modules + 1] = { name = name, bytes = compiled and string.dump(chunk) or text }
end
table.sort(modules, function(a, b) return a.name < b.name end)

io.write '#include "binding/modules.h"\n\n'
if compiled then
  local message = "the interpreter has other numbers than the headers of Lua: name the right one "
    .. "by make LUA=, or take make LUA_LAYER=text"
  io.write(('_Static_assert(sizeof(lua_Integer) == %d && sizeof(lua_Number) == %d,\n'
    .. '               "%s");\n'):format(string.packsize "j", string.packsize "n", message))
  io.write(('#if __BYTE_ORDER__ != __ORDER_%s_ENDIAN__\n#error "%s"\n#endif\n\n'):format(
    string.pack("I2", 1) == "\1\0" and "LITTLE" or "BIG",
    "the interpreter has another order of bytes: make LUA_LAYER=text"))
end
for i, module in ipairs(modules) do
  io.write(("static const char module_%d[] =\n%s;\n\n"):format(i, quoted(module.bytes)))
end
io.write "const struct slb_module slb_modules[] = {\n"
for i, module in ipairs(modules) do
  io.write(('    {"%s", module_%d, sizeof module_%d - 1},\n'):format(module.name, i, i))
end
io.write(("};\nconst size_t slb_module_count = %d;\n"):format(#modules))
