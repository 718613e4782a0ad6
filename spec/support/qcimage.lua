--- qcimage.lua - the command `qcimage`, for the interpreter that runs this file.
os.exit(require("qcimage.cli").main(arg))
