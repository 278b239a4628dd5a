/** The command line of `npm run demo`. */
import { parseArgs } from 'node:util'

export interface CommandLine {
  /** Stop after this time and report; `undefined` runs until it is told to stop. */
  seconds?: number
  isJson: boolean
  isKept: boolean
  host: string
  httpPort: number
  mqttPort: number
  devicePort: number
  videos: string[]
  /** `var/demo` unless set. */
  dataDir?: string
}

export const HELP = `usage: npm run demo -- [options]

Starts the whole system on this machine: the hub with its dashboard, one edge, simulated cameras over RTSP, a
checkpoint and sensors over MQTT. Prints the dashboard's address and the sign-ins. Ctrl-C stops everything.

  --seconds N        stop after N seconds and print one line of JSON as the last line
  --json             nothing but that line on standard output; progress goes to standard error
  --video FILE       show this video instead of the usual footage; may be given several times
  --host ADDRESS     address to listen on (default 127.0.0.1; 0.0.0.0 lets others reach it)
  --http-port PORT   dashboard and HTTP interface (default 8440; 0 takes a free one)
  --mqtt-port PORT   where the edge reports to the hub (default 1884; 0 takes a free one)
  --device-port PORT where devices report to the edge, on this machine only (default: a free one)
  --keep             go on with the data of the last time instead of beginning anew
  --data FOLDER      where data and logs are kept (default var/demo); emptied at each start without --keep
  --help             this text
`

/** @throws Error that says what is wrong with which option */
export function readCommandLine(args: readonly string[]): CommandLine | 'help' {
  const { values, positionals } = parseArgs({
    args: [...args],
    options: {
      seconds: { type: 'string' },
      json: { type: 'boolean', default: false },
      keep: { type: 'boolean', default: false },
      data: { type: 'string' },
      video: { type: 'string', multiple: true, default: [] },
      host: { type: 'string', default: '127.0.0.1' },
      'http-port': { type: 'string', default: '8440' },
      'mqtt-port': { type: 'string', default: '1884' },
      'device-port': { type: 'string', default: '0' },
      help: { type: 'boolean', short: 'h', default: false },
    },
    // `--video a.mp4 b.mp4` means both.
    allowPositionals: true,
  })
  if (values.help) return 'help'
  if (positionals.length > 0 && values.video.length === 0) {
    throw new Error(`Unexpected argument ${positionals[0]}. See --help.`)
  }
  return {
    ...(values.seconds === undefined
      ? {}
      : { seconds: readNumber('--seconds', values.seconds, 1, 86_400 * 365) }),
    ...(values.data === undefined ? {} : { dataDir: values.data }),
    isJson: values.json,
    isKept: values.keep,
    host: values.host,
    httpPort: readNumber('--http-port', values['http-port'], 0, 65_535),
    mqttPort: readNumber('--mqtt-port', values['mqtt-port'], 0, 65_535),
    devicePort: readNumber('--device-port', values['device-port'], 0, 65_535),
    videos: [...values.video, ...positionals],
  }
}

function readNumber(option: string, text: string, lowest: number, highest: number): number {
  const value = Number(text)
  if (!/^\d+$/.test(text) || value < lowest || value > highest) {
    throw new Error(`${option} ${text} is not a whole number from ${lowest} to ${highest}.`)
  }
  return value
}
