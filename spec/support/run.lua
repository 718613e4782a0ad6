--- run.lua - runs busted on spec files under the interpreter that runs this file.
require "busted.runner" { standalone = false }
