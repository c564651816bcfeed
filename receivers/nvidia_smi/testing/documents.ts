/** What nvidia-smi -q -x prints on cards and drivers of several generations, cut to the parts that say something. */

export const A100 = 'GPU-3b1f6a52-7a63-4f0c-8d7e-0c0ffee0a100'
export const H100 = 'GPU-9c2e4d10-1f7b-4a55-9f11-0c0ffee0b100'
export const T4 = 'GPU-d37e67a5-2222-4444-a5cb-0c0ffee0c400'
export const RTX = 'GPU-5fd4f7a1-3333-4444-b111-0c0ffee03090'

export const log = (driver: string, dtd: string, ...gpus: readonly string[]): string => `<?xml version="1.0" ?>
<!DOCTYPE nvidia_smi_log SYSTEM "nvsmi_device_${dtd}.dtd">
<nvidia_smi_log>
	<timestamp>Fri Aug  4 11:44:30 2023</timestamp>
	<driver_version>${driver}</driver_version>
	<attached_gpus>${gpus.length}</attached_gpus>
${gpus.join('\n')}
</nvidia_smi_log>
`

export interface ProcessSpec {
  readonly pid: number
  readonly name?: string
  readonly type?: string
  readonly memory?: string
  readonly gi?: string
  readonly ci?: string
}
export const processes = (...specs: readonly ProcessSpec[]): string =>
  `<processes>${specs
    .map(
      ({ pid, name = 'python3', type = 'C', memory = '1024 MiB', gi = 'N/A', ci = 'N/A' }) => `
			<process_info>
				<gpu_instance_id>${gi}</gpu_instance_id>
				<compute_instance_id>${ci}</compute_instance_id>
				<pid>${pid}</pid>
				<type>${type}</type>
				<process_name>${name}</process_name>
				<used_memory>${memory}</used_memory>
			</process_info>`,
    )
    .join('')}
		</processes>`

const mig = (index: number, gi: number, ci: number, processors: number, used: number): string => `
			<mig_device>
				<index>${index}</index>
				<gpu_instance_id>${gi}</gpu_instance_id>
				<compute_instance_id>${ci}</compute_instance_id>
				<device_attributes><shared><multiprocessor_count>${processors}</multiprocessor_count></shared></device_attributes>
				<ecc_error_count><volatile_count><sram_uncorrectable>${gi === 3 ? 2 : 0}</sram_uncorrectable></volatile_count></ecc_error_count>
				<fb_memory_usage><total>19968 MiB</total><reserved>0 MiB</reserved><used>${used} MiB</used><free>${19968 - used} MiB</free></fb_memory_usage>
			</mig_device>`

/** Driver 535. GPU instance 3 has two compute instances that share its memory. */
export const a100 = (running = processes()): string => `	<gpu id="00000000:01:00.0">
		<product_name>NVIDIA A100-SXM4-80GB</product_name>
		<mig_mode><current_mig>Enabled</current_mig><pending_mig>Enabled</pending_mig></mig_mode>
		<mig_devices>${mig(0, 3, 0, 14, 12)}${mig(1, 3, 1, 14, 12)}${mig(2, 4, 0, 28, 4096)}</mig_devices>
		<serial>1650522003820</serial>
		<uuid>${A100}</uuid>
		<vbios_version>92.00.36.00.02</vbios_version>
		<gpu_reset_status><reset_required>No</reset_required><drain_and_reset_recommended>Yes</drain_and_reset_recommended></gpu_reset_status>
		<pci><replay_counter>3</replay_counter><tx_util>4000 KB/s</tx_util><rx_util>0 KB/s</rx_util></pci>
		<fan_speed>N/A</fan_speed>
		<performance_state>P0</performance_state>
		<clocks_event_reasons><clocks_event_reason_gpu_idle>Not Active</clocks_event_reason_gpu_idle></clocks_event_reasons>
		<fb_memory_usage><total>81920 MiB</total><reserved>869 MiB</reserved><used>4158 MiB</used><free>76893 MiB</free></fb_memory_usage>
		<utilization><gpu_util>N/A</gpu_util><memory_util>N/A</memory_util><encoder_util>N/A</encoder_util><decoder_util>N/A</decoder_util></utilization>
		<ecc_errors>
			<volatile><sram_correctable>1</sram_correctable><sram_uncorrectable>0</sram_uncorrectable><dram_correctable>4</dram_correctable><dram_uncorrectable>2</dram_uncorrectable></volatile>
			<aggregate><sram_correctable>10</sram_correctable><sram_uncorrectable>0</sram_uncorrectable><dram_correctable>40</dram_correctable><dram_uncorrectable>2</dram_uncorrectable></aggregate>
		</ecc_errors>
		<remapped_rows>N/A</remapped_rows>
		<temperature><gpu_temp>27 C</gpu_temp><gpu_temp_max_threshold>92 C</gpu_temp_max_threshold><gpu_temp_slow_threshold>89 C</gpu_temp_slow_threshold><memory_temp>44 C</memory_temp></temperature>
		<gpu_power_readings><power_state>P0</power_state><power_draw>67.03 W</power_draw><current_power_limit>500.00 W</current_power_limit></gpu_power_readings>
		<module_power_readings><power_draw>N/A</power_draw></module_power_readings>
		<clocks><graphics_clock>1275 MHz</graphics_clock><sm_clock>1275 MHz</sm_clock><mem_clock>1593 MHz</mem_clock><video_clock>1275 MHz</video_clock></clocks>
		<supported_clocks><supported_mem_clock><value>1593 MHz</value><supported_graphics_clock>1410 MHz</supported_graphics_clock></supported_mem_clock></supported_clocks>
		${running}
	</gpu>`

/** Driver 570 and later: average and instant power, counters of throttling, what an operator should do. */
export const h100 = ({ watts = '612.40 W', running = processes() } = {}): string => `	<gpu id="00000000:1B:00.0">
		<product_name>NVIDIA H100 80GB HBM3</product_name>
		<mig_mode><current_mig>Disabled</current_mig><pending_mig>Disabled</pending_mig></mig_mode>
		<mig_devices>
			None
		</mig_devices>
		<serial>1654923001122</serial>
		<uuid>${H100}</uuid>
		<vbios_version>96.00.99.00.01</vbios_version>
		<gpu_recovery_action>None</gpu_recovery_action>
		<pci>
			<pci_gpu_link_info>
				<pcie_gen><max_link_gen>5</max_link_gen><current_link_gen>5</current_link_gen></pcie_gen>
				<link_widths><max_link_width>16x</max_link_width><current_link_width>16x</current_link_width></link_widths>
			</pci_gpu_link_info>
			<replay_counter>0</replay_counter>
			<tx_util>528 KB/s</tx_util>
			<rx_util>1200 KB/s</rx_util>
		</pci>
		<fan_speed>N/A</fan_speed>
		<performance_state>P2</performance_state>
		<clocks_event_reasons>
			<clocks_event_reason_gpu_idle>Not Active</clocks_event_reason_gpu_idle>
			<clocks_event_reason_sw_power_cap>Active</clocks_event_reason_sw_power_cap>
			<clocks_event_reason_hw_power_brake_slowdown>Not Active</clocks_event_reason_hw_power_brake_slowdown>
			<clocks_event_reason_new_in_some_driver>Active</clocks_event_reason_new_in_some_driver>
		</clocks_event_reasons>
		<clocks_event_reasons_counters>
			<clocks_event_reasons_counters_sw_power_cap>25483012608 us</clocks_event_reasons_counters_sw_power_cap>
			<clocks_event_reasons_counters_sw_therm_slowdown>0 us</clocks_event_reasons_counters_sw_therm_slowdown>
			<clocks_event_reasons_counters_hw_power_brake>1500000 us</clocks_event_reasons_counters_hw_power_brake>
		</clocks_event_reasons_counters>
		<fb_memory_usage><total>81559 MiB</total><reserved>551 MiB</reserved><used>65720 MiB</used><free>15288 MiB</free></fb_memory_usage>
		<utilization><gpu_util>63 %</gpu_util><memory_util>17 %</memory_util><encoder_util>0 %</encoder_util><decoder_util>0 %</decoder_util><jpeg_util>0 %</jpeg_util><ofa_util>0 %</ofa_util></utilization>
		<ecc_errors>
			<volatile>
				<sram_correctable>0</sram_correctable>
				<sram_uncorrectable_parity>1</sram_uncorrectable_parity>
				<sram_uncorrectable_secded>2</sram_uncorrectable_secded>
				<dram_correctable>5</dram_correctable>
				<dram_uncorrectable>0</dram_uncorrectable>
			</volatile>
		</ecc_errors>
		<remapped_rows>
			<remapped_row_corr>1</remapped_row_corr>
			<remapped_row_unc>2</remapped_row_unc>
			<remapped_row_pending>Yes</remapped_row_pending>
			<remapped_row_failure>No</remapped_row_failure>
		</remapped_rows>
		<temperature><gpu_temp>58 C</gpu_temp><gpu_temp_tlimit>29 C</gpu_temp_tlimit><memory_temp>66 C</memory_temp></temperature>
		<gpu_power_readings>
			<power_state>Requested functionality has been deprecated</power_state>
			<average_power_draw>${watts}</average_power_draw>
			<instant_power_draw>640.11 W</instant_power_draw>
			<current_power_limit>700.00 W</current_power_limit>
		</gpu_power_readings>
		<clocks><graphics_clock>1755 MHz</graphics_clock><sm_clock>1755 MHz</sm_clock><mem_clock>2619 MHz</mem_clock><video_clock>1380 MHz</video_clock></clocks>
		${running}
	</gpu>`

/** Driver 450: names of old, errors by bits, and a virtual machine that is told little. */
export const t4 = (): string => `	<gpu id="00000000:00:1E.0">
		<product_name>Tesla T4</product_name>
		<uuid>${T4}</uuid>
		<fan_speed>N/A</fan_speed>
		<performance_state>P8</performance_state>
		<clocks_throttle_reasons>
			<clocks_throttle_reason_sw_thermal_slowdown>Active</clocks_throttle_reason_sw_thermal_slowdown>
			<clocks_throttle_reason_hw_slowdown>[Unknown Error]</clocks_throttle_reason_hw_slowdown>
		</clocks_throttle_reasons>
		<fb_memory_usage><total>15109 MiB</total><used>1032 MiB</used><free>14077 MiB</free></fb_memory_usage>
		<utilization><gpu_util>[Not Supported]</gpu_util><memory_util>[Unknown Error]</memory_util><encoder_util></encoder_util></utilization>
		<ecc_errors>
			<volatile>
				<single_bit><device_memory>6</device_memory><total>7</total></single_bit>
				<double_bit><device_memory>0</device_memory><total>0</total></double_bit>
			</volatile>
		</ecc_errors>
		<retired_pages>
			<multiple_single_bit_retirement><retired_count>1</retired_count><retired_pagelist></retired_pagelist></multiple_single_bit_retirement>
			<double_bit_retirement><retired_count>0</retired_count></double_bit_retirement>
		</retired_pages>
		<remapped_rows>N/A</remapped_rows>
		<temperature><gpu_temp>40 C</gpu_temp><memory_temp>N/A</memory_temp></temperature>
		<power_readings><power_state>P8</power_state><power_draw>26.78 W</power_draw><power_limit>70.00 W</power_limit><enforced_power_limit>65.00 W</enforced_power_limit></power_readings>
		<clocks><graphics_clock>585 MHz</graphics_clock><sm_clock>585 MHz</sm_clock></clocks>
		<processes></processes>
	</gpu>`

/** A consumer card: a fan, a desktop, nothing of ECC; a power reading in a unit of its own. */
export const rtx = (
  running = processes({ pid: 2001, type: 'G', name: '/usr/lib/xorg/Xorg', memory: '95 MiB' }),
): string => `	<gpu id="00000000:0A:00.0">
		<product_name>NVIDIA GeForce RTX 3090</product_name>
		<uuid>${RTX}</uuid>
		<fan_speed>41 %</fan_speed>
		<ecc_errors><volatile><dram_correctable>N/A</dram_correctable></volatile></ecc_errors>
		<fb_memory_usage><total>24576 MiB</total><used>512 MiB</used></fb_memory_usage>
		<utilization><gpu_util>7 %</gpu_util></utilization>
		<temperature><gpu_temp>ERR!</gpu_temp></temperature>
		<power_readings><power_draw>twelve watts</power_draw></power_readings>
		${running}
	</gpu>`
