// v3.js - makes calls with Tencent's Node client for API 3.0 and prints its answers.
// stdin: {"secretId", "secretKey", "region", "endpoint", "protocol", "clockOffset": seconds,
//         "calls": [{"action": name, "params": {…}, "reqMethod", "signMethod"}]}
// stdout: a JSON list, an item a call: {"result": answer} or {"code", "message", "requestId"}

const input = JSON.parse(require('fs').readFileSync(0, 'utf8'))

const RealDate = Date
const offset = (input.clockOffset || 0) * 1000
global.Date = class extends RealDate {
  constructor(...given) {
    super(...(given.length ? given : [RealDate.now() + offset]))
  }
  static now() {
    return RealDate.now() + offset
  }
}

const { Client } = require('tencentcloud-sdk-nodejs-cvm').cvm.v20170312

function clientFor(call) {
  const httpProfile = { endpoint: input.endpoint, protocol: input.protocol || 'https://', reqTimeout: 10 }
  return new Client({
    credential: { secretId: input.secretId, secretKey: input.secretKey },
    region: input.region,
    profile: {
      signMethod: call.signMethod || 'TC3-HMAC-SHA256',
      httpProfile: { ...httpProfile, reqMethod: call.reqMethod || 'POST' },
    },
  })
}

async function main() {
  const answers = []
  for (const call of input.calls) {
    try {
      answers.push({ result: await clientFor(call)[call.action](call.params) })
    } catch (error) {
      answers.push({ code: error.code || '', message: error.message, requestId: error.requestId })
    }
  }
  console.log(JSON.stringify(answers))
}

main()
