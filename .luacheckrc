std = "min"
max_line_length = 120
max_comment_line_length = 140
codes = true
-- Present in some of the Luas only, and asked for before use.
globals = { "ngx" }
read_globals = { math = { fields = { "tointeger", "type" } }, package = { fields = { "searchpath" } }, table = { fields = { "unpack" } }, "unpack" }
files["spec/"] = { std = "min+busted", max_line_length = 140 }
