// node.js - what a call takes with Tencent's old Node client. usage: node.js HOST:PORT
// Prints microseconds of wall and of CPU time.

const Client = require('qcloudapi-sdk')
const http = require('http')

const ROUNDS = 400
const client = new Client({
  SecretId: 'AKIDqcimageEXAMPLE000000000000000001',
  SecretKey: 'qcimageEXAMPLEsecret0000000000001',
  Region: 'gz',
  serviceType: 'image',
  protocol: 'http',
  signatureMethod: 'sha256',
})
const data = { Action: 'ModifyImageAttributes', imageId: 'img-12345678', imageName: 'testName', imageDescription: 'descrip' }
const extra = { agent: new http.Agent({ keepAlive: true }) }

function call() {
  return new Promise((resolve, reject) => {
    client.request(
      data,
      { host: process.argv[2], protocol: 'http', method: 'POST', signatureMethod: 'sha256' },
      (error, body) => (error || body.code !== 0 ? reject(error || body) : resolve()),
      extra
    )
  })
}

async function main() {
  for (let i = 0; i < ROUNDS / 5; i++) await call()
  const wall = process.hrtime.bigint()
  const cpu = process.cpuUsage()
  for (let i = 0; i < ROUNDS; i++) await call()
  const used = process.cpuUsage(cpu)
  console.log(`wall ${(Number(process.hrtime.bigint() - wall) / 1e3 / ROUNDS).toFixed(1)}`)
  console.log(`cpu ${((used.user + used.system) / ROUNDS).toFixed(1)}`)
  process.exit(0)
}

main()
