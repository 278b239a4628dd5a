/** Opens the time-series store that the configuration names. */
import { join } from 'node:path'
import type { Logger } from 'pino'
import type { HubConfig } from '../../config.ts'
import type { TimeSeries } from '../../ports/timeseries.ts'
import { openDuckdb } from './duckdb.ts'
import { openInfluxdb } from './influxdb.ts'

/** Throws HUB_TIMESERIES that says what to do. */
export async function openTimeSeries(config: HubConfig, folder: string, log: Logger): Promise<TimeSeries> {
  switch (config.timeseries) {
    case 'duckdb':
      return openDuckdb({ file: join(folder, 'points.duckdb'), log })
    case 'influxdb':
      return openInfluxdb({
        url: config.influxUrl!,
        token: config.influxToken!,
        org: config.influxOrg,
        bucket: config.influxBucket,
        log,
      })
  }
}
