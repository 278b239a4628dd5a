/** Reads a DuckDB file that no hub holds, without changing it. */
import { DuckDBInstance } from '@duckdb/node-api'
import { MEASUREMENTS } from '../../ports/timeseries.ts'

/** Answers how many points it has, having read every column of every one. Throws DuckDB's reason if it cannot. */
export async function checkDuckdb(file: string): Promise<number> {
  const instance = await DuckDBInstance.create(file, { access_mode: 'READ_ONLY' })
  try {
    const connection = await instance.connect()
    let points = 0
    for (const measurement of MEASUREMENTS) {
      // `hash` needs the values, so every block is read and its checksum compared.
      const sql = `select count(*), bit_xor(hash(${measurement})) from ${measurement}`
      const [row] = (await connection.runAndReadAll(sql)).getRows()
      points += Number(row![0])
    }
    connection.closeSync()
    return points
  } finally {
    instance.closeSync()
  }
}
