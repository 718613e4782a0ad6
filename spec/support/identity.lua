--- identity.lua - the example identity of the specs: that which the emulator knows when it is told no other.

return {
  SECRET_ID = "AKIDqcimageEXAMPLE000000000000000001",
  SECRET_KEY = "qcimageEXAMPLEsecret0000000000001",
}
