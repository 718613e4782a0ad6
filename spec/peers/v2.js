// v2.js - makes calls with Tencent's old Node client for API 2.0 and prints its answers.
// stdin: {"defaults": {…of the client…}, "calls": [{"data": {…}, "opts": {…}}]}
// stdout: a JSON list, an item a call: {"error": text} or {"body": answer}

const Client = require('qcloudapi-sdk')

const input = JSON.parse(require('fs').readFileSync(0, 'utf8'))
const client = new Client(input.defaults)

async function main() {
  const answers = []
  for (const call of input.calls) {
    answers.push(
      await new Promise((resolve) => {
        // its callback gets the transport's error, or the answer, parsed
        client.request(call.data, { ...input.defaults, ...call.opts }, (error, body) => {
          resolve(error ? { error: String(error) } : { body })
        })
      })
    )
  }
  console.log(JSON.stringify(answers))
}

main()
