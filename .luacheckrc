std = "min"
max_line_length = 120
max_comment_line_length = 140
codes = true
-- Present in some of the Luas only, and asked for before use.
globals = { "ngx" }
read_globals = { math = { fields = { "tointeger", "type" } }, package = { fields = { "searchpath" } }, table = { fields = { "unpack" } }, "unpack" }
files["spec/support/session_*.lua"] = { allow_defined = true, ignore = { "113", "131" } }
files["spec/"] = { std = "min+busted", max_line_length = 140 }

-- What a call does with the system goes through its client; and a file whose header says "Pure" reaches nothing of it.
local SYSTEM = { "io", "os", "print", "ngx", "debug" }
files["lua/qcimage/api/"] = { not_globals = SYSTEM }
files["lua/qcimage/call/"] = { not_globals = SYSTEM }
local pipe = io.popen "grep -lrE '^---.*Pure[.:]' lua"
for path in pipe:lines() do
  files[path] = { not_globals = SYSTEM }
end
pipe:close()
