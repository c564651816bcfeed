/** Expositions as the real exporters print them: names, types, labels and units of the DCGM exporter and of vLLM. */

const GPUS = [
  { gpu: '0', uuid: 'GPU-7c1c0a52-9a6c-4f2b-8a44-5d0f5e1d0a01', bus: '00000000:1B:00.0', pod: 'llama-70b-5c9f7d8b6d-x2x4q', busy: true },
  { gpu: '1', uuid: 'GPU-7c1c0a52-9a6c-4f2b-8a44-5d0f5e1d0a02', bus: '00000000:43:00.0', pod: '', busy: false },
]

export const DCGM = (() => {
  const families: [name: string, type: string, help: string, busy: string, idle: string][] = [
    ['DCGM_FI_DEV_SM_CLOCK', 'gauge', 'SM clock frequency (in MHz).', '1980', '345'],
    ['DCGM_FI_DEV_GPU_TEMP', 'gauge', 'GPU temperature (in C).', '61', '28'],
    ['DCGM_FI_DEV_POWER_USAGE', 'gauge', 'Power draw (in W).', '612.418000', '77.713000'],
    ['DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION', 'counter', 'Total energy consumption since boot (in mJ).', '186483921734', '90211883412'],
    ['DCGM_FI_DEV_GPU_UTIL', 'gauge', 'GPU utilization (in %).', '97', '0'],
    ['DCGM_FI_DEV_FB_FREE', 'gauge', 'Framebuffer memory free (in MiB).', '8123', '143158'],
    ['DCGM_FI_DEV_FB_USED', 'gauge', 'Framebuffer memory used (in MiB).', '135035', '0'],
    ['DCGM_FI_DEV_XID_ERRORS', 'gauge', 'Value of the last XID error encountered.', '0', '0'],
    ['DCGM_FI_PROF_GR_ENGINE_ACTIVE', 'gauge', 'Ratio of time the graphics engine is active.', '0.971402', '0.000000'],
    ['DCGM_FI_PROF_PIPE_TENSOR_ACTIVE', 'gauge', 'Ratio of cycles the tensor (HMMA) pipe is active.', '0.412933', '0.000000'],
  ]
  const lines: string[] = []
  for (const [name, type, help, busy, idle] of families) {
    lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`)
    for (const { gpu, uuid, bus, pod, busy: isBusy } of GPUS)
      lines.push(
        `${name}{gpu="${gpu}",UUID="${uuid}",pci_bus_id="${bus}",device="nvidia${gpu}",modelName="NVIDIA H200",Hostname="gpu-node-7",` +
          `DCGM_FI_DRIVER_VERSION="580.65.06",container="${pod && 'vllm'}",namespace="${pod && 'llm'}",pod="${pod}"} ${isBusy ? busy : idle}`,
      )
  }
  return `${lines.join('\n')}\n`
})()
/** Lines of DCGM that are samples. */
export const DCGM_SAMPLES = 20

const MODEL = 'engine="0",model_name="meta-llama/Llama-3.3-70B-Instruct"'
export const VLLM = `# HELP python_gc_objects_collected_total Objects collected during gc
# TYPE python_gc_objects_collected_total counter
python_gc_objects_collected_total{generation="0"} 15041.0
python_gc_objects_collected_total{generation="1"} 1544.0
# HELP process_resident_memory_bytes Resident memory size in bytes.
# TYPE process_resident_memory_bytes gauge
process_resident_memory_bytes 7.53184768e+09
# HELP vllm:num_requests_running Number of requests in model execution batches.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{${MODEL}} 14.0
# HELP vllm:num_requests_waiting Number of requests waiting to be processed.
# TYPE vllm:num_requests_waiting gauge
vllm:num_requests_waiting{${MODEL}} 2.0
# HELP vllm:kv_cache_usage_perc KV-cache usage. 1 means 100 percent usage.
# TYPE vllm:kv_cache_usage_perc gauge
vllm:kv_cache_usage_perc{${MODEL}} 0.6218374558303887
# HELP vllm:prompt_tokens_total Number of prefill tokens processed.
# TYPE vllm:prompt_tokens_total counter
vllm:prompt_tokens_total{${MODEL}} 1.8274619e+07
# HELP vllm:prompt_tokens_created Number of prefill tokens processed.
# TYPE vllm:prompt_tokens_created gauge
vllm:prompt_tokens_created{${MODEL}} 1.7631905041829054e+09
# HELP vllm:request_success_total Count of successfully processed requests.
# TYPE vllm:request_success_total counter
vllm:request_success_total{finished_reason="stop",${MODEL}} 8123.0
vllm:request_success_total{finished_reason="length",${MODEL}} 311.0
# HELP vllm:time_to_first_token_seconds Histogram of time to first token in seconds.
# TYPE vllm:time_to_first_token_seconds histogram
vllm:time_to_first_token_seconds_bucket{le="0.02",${MODEL}} 0.0
vllm:time_to_first_token_seconds_bucket{le="0.1",${MODEL}} 5210.0
vllm:time_to_first_token_seconds_bucket{le="0.5",${MODEL}} 8301.0
vllm:time_to_first_token_seconds_bucket{le="2.5",${MODEL}} 8430.0
vllm:time_to_first_token_seconds_bucket{le="+Inf",${MODEL}} 8434.0
vllm:time_to_first_token_seconds_count{${MODEL}} 8434.0
vllm:time_to_first_token_seconds_sum{${MODEL}} 1022.4183640480042
# HELP vllm:iteration_tokens_total Histogram of number of tokens per engine_step.
# TYPE vllm:iteration_tokens_total histogram
vllm:iteration_tokens_total_bucket{le="8.0",${MODEL}} 100.0
vllm:iteration_tokens_total_bucket{le="+Inf",${MODEL}} 130.0
vllm:iteration_tokens_total_count{${MODEL}} 130.0
vllm:iteration_tokens_total_sum{${MODEL}} 2210.0
# HELP vllm:cache_config_info Information of the LLMEngine CacheConfig
# TYPE vllm:cache_config_info gauge
vllm:cache_config_info{block_size="16",cache_dtype="auto",enable_prefix_caching="True",engine="0",num_gpu_blocks="28300"} 1.0
`
/** Points that VLLM makes: 11 numbers, 2 histograms. */
export const VLLM_POINTS = 13

/** Many series, all different; `round` changes the values alone. */
export const manySeries = (count: number, round = 0): string => {
  const lines: string[] = []
  for (let i = 0; i < count; i++) {
    if (i % 1000 === 0) lines.push(`# HELP metric_${i / 1000}_total Something counted.`, `# TYPE metric_${i / 1000}_total counter`)
    const name = `metric_${Math.floor(i / 1000)}_total`
    lines.push(
      `${name}{gpu="${i % 8}",UUID="GPU-7c1c0a52-9a6c-4f2b-8a44-${i}",pod="llama-70b-5c9f7d8b6d-x2x4q",namespace="llm"} ${i + round * 17}`,
    )
  }
  return `${lines.join('\n')}\n`
}
