export { until } from '../../simulator/until.js'
