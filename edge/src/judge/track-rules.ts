/** The rule for each kind of configuration. */
import type { TrackRuleConfig } from '../config/rules.ts'
import { CrowdingRule } from './crowding.ts'
import { LineCrossingRule } from './line-crossing.ts'
import { MovingRule } from './moving-rules.ts'
import type { TrackRule } from './rule.ts'
import { ScatterRule } from './scatter.ts'
import { StayRule } from './stay-rule.ts'
import { StoppedVehicleRule } from './stopped-vehicle.ts'

/** `place` is how its sentences call where it looks. */
export function makeTrackRule(config: TrackRuleConfig, place: string): TrackRule {
  switch (config.kind) {
    case 'intrusion':
    case 'loitering':
      return new StayRule(config, place)
    case 'line-crossing':
      return new LineCrossingRule(config, place)
    case 'crowding':
      return new CrowdingRule(config, place)
    case 'wrong-way':
    case 'running':
      return new MovingRule(config, place)
    case 'stopped-vehicle':
      return new StoppedVehicleRule(config, place)
    case 'scatter':
      return new ScatterRule(config, place)
  }
}
