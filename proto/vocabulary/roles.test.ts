import { IDENTITY, isBlank, ROLES } from './roles.js'

describe('roles', () => {
  test('old and new DCGM names of one field mean the same', () => {
    const pairs = [
      ['DEV_POWER_USAGE', 'DEV_BOARD_POWER_WATTS'],
      ['DEV_GPU_TEMP', 'DEV_GPU_TEMP_CELSIUS'],
      ['PROF_GR_ENGINE_ACTIVE', 'PROF_GR_ENGINE_UTIL_RATIO'],
      ['PROF_SM_ACTIVE', 'PROF_SM_UTIL_RATIO'],
      ['PROF_PIPE_TENSOR_ACTIVE', 'PROF_TENSOR_UTIL_RATIO'],
      ['PROF_DRAM_ACTIVE', 'PROF_DRAM_UTIL_RATIO'],
    ]
    for (const [old, renamed] of pairs) expect(ROLES.get(`DCGM_FI_${old}`)).toEqual(ROLES.get(`DCGM_FI_${renamed}`))
    expect(ROLES.get('DCGM_FI_DEV_GPU_UTIL_RATIO')?.role).toBe(ROLES.get('DCGM_FI_DEV_GPU_UTIL')?.role)
  })

  test('vLLM counters are known with and without _total, and under Ray', () => {
    for (const name of ['vllm:prompt_tokens', 'vllm:prompt_tokens_total', 'ray_vllm_prompt_tokens_total', 'ray_vllm:prompt_tokens'])
      expect(ROLES.get(name)?.role).toBe('engine.tokens.input')
  })

  test('a name that only starts like a known one is not taken for it', () => {
    expect(ROLES.has('vllm:num_requests_waiting_by_reason')).toBe(false)
    expect(ROLES.has('vllm:iteration_tokens_total')).toBe(false)
    expect(ROLES.has('vllm:kv_cache_usage_perc_total')).toBe(false)
  })

  test('values are scaled to UCUM units', () => {
    const scaled = (name: string, value: number) => value * (ROLES.get(name)?.scale ?? Number.NaN)
    expect(scaled('DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION', 5_000)).toBe(5)
    expect(scaled('DCGM_FI_DEV_GPU_UTIL', 50)).toBe(0.5)
    expect(scaled('DCGM_FI_DEV_FB_USED', 2)).toBe(2_097_152)
    expect(scaled('DCGM_FI_DEV_POWER_VIOLATION', 3e9)).toBeCloseTo(3, 12)
  })

  test('blank values of older exporters are told from real ones', () => {
    for (const blank of [2147483632, 2147483635, 140737488355328, Number(9223372036854775792n), Number.NaN, Number.POSITIVE_INFINITY])
      expect(isBlank(blank)).toBe(true)
    for (const real of [0, -1, 2147483631, 2147483636, 140737488355332]) expect(isBlank(real)).toBe(false)
  })

  test('a label that the scraper renamed outranks the scraper’s own', () => {
    const exported = IDENTITY.get('exported_pod')
    const plain = IDENTITY.get('pod')
    expect(exported?.part).toBe(plain?.part)
    expect(exported?.rank).toBeLessThan(plain?.rank ?? 0)
  })
})
