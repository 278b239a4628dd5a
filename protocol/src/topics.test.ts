import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  deviceTopics,
  edgeMayPublish,
  edgeMaySubscribe,
  edgeTopics,
  parseDeviceTopic,
  parseUpTopic,
  STREAMS,
} from './topics.ts'

const id = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/)

describe('topics', () => {
  it('are parsed back to what they were built from', () => {
    fc.assert(
      fc.property(id, fc.constantFrom(...STREAMS), (edgeId, stream) => {
        expect(parseUpTopic(edgeTopics.batch(edgeId, stream))).toEqual({ edgeId, kind: 'batch', stream })
        expect(parseUpTopic(edgeTopics.hello(edgeId))).toEqual({ edgeId, kind: 'hello' })
        expect(parseUpTopic(edgeTopics.status(edgeId))).toEqual({ edgeId, kind: 'status' })
        expect(parseDeviceTopic(deviceTopics.passages(edgeId))).toEqual({
          deviceId: edgeId,
          kind: 'passages',
        })
        expect(parseDeviceTopic(deviceTopics.readings(edgeId))).toEqual({
          deviceId: edgeId,
          kind: 'readings',
        })
      }),
    )
  })

  it('of one edge are closed to every other edge', () => {
    fc.assert(
      fc.property(id, id, (mine, other) => {
        fc.pre(mine !== other)
        for (const topic of [
          edgeTopics.hello(other),
          edgeTopics.batch(other, 'alerts'),
          edgeTopics.status(other),
        ]) {
          expect(edgeMayPublish(mine, topic)).toBe(false)
        }
        expect(edgeMaySubscribe(mine, edgeTopics.cursor(other))).toBe(false)
        expect(edgeMaySubscribe(mine, `patrolhub/v1/edges/${other}/down/#`)).toBe(false)
      }),
    )
  })

  it('let an edge publish upwards and read downwards only', () => {
    expect(edgeMayPublish('e1', edgeTopics.batch('e1', 'alerts'))).toBe(true)
    expect(edgeMayPublish('e1', edgeTopics.cursor('e1'))).toBe(false)
    expect(edgeMayPublish('e1', 'patrolhub/v1/edges/e1/up/other')).toBe(false)
    expect(edgeMaySubscribe('e1', 'patrolhub/v1/edges/e1/down/#')).toBe(true)
    for (const filter of [
      '#',
      '+/#',
      'patrolhub/#',
      'patrolhub/v1/edges/+/down/cursor',
      edgeTopics.hello('e1'),
    ]) {
      expect(edgeMaySubscribe('e1', filter), filter).toBe(false)
    }
  })

  it('that are anything else are not understood', () => {
    fc.assert(
      fc.property(fc.string(), (topic) => {
        const parsed = parseUpTopic(topic)
        if (parsed) expect(topic.startsWith('patrolhub/v1/edges/')).toBe(true)
      }),
    )
    expect(parseUpTopic('patrolhub/v1/edges//up/hello')).toBeUndefined()
    expect(parseDeviceTopic('devices/a/b/passages')).toBeUndefined()
  })
})
