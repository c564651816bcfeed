import { type Owner, ownerKey, ownerOf } from './cgroup.js'

const UID = '6d3f8b1e-4c7a-4f0e-9b65-2f1f0f5a7c11'
const SNAKE = UID.replaceAll('-', '_')
const ID = `${'f'.repeat(60)}09ab`

const CASES: readonly (readonly [string, string, Owner])[] = [
  [
    'v2, systemd, containerd, burstable',
    `0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod${SNAKE}.slice/cri-containerd-${ID}.scope`,
    { podUid: UID, containerId: ID },
  ],
  [
    'v2, systemd, guaranteed (no class in the path)',
    `0::/kubepods.slice/kubepods-pod${SNAKE}.slice/cri-containerd-${ID}.scope`,
    { podUid: UID, containerId: ID },
  ],
  [
    'v2, systemd, CRI-O with a child of its own',
    `0::/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod${SNAKE}.slice/crio-${ID}.scope/container`,
    { podUid: UID, containerId: ID },
  ],
  ['v2, CRI-O: the monitor is not the container', `0::/kubepods.slice/kubepods-pod${SNAKE}.slice/crio-conmon-${ID}.scope`, { podUid: UID }],
  ['v2, systemd, Docker as runtime', `0::/kubepods.slice/kubepods-pod${SNAKE}.slice/docker-${ID}.scope`, { podUid: UID, containerId: ID }],
  [
    'v2, seen from another cgroup namespace',
    `0::/../../kubepods-burstable-pod${SNAKE}.slice/cri-containerd-${ID}.scope`,
    { podUid: UID, containerId: ID },
  ],
  ['v2, cgroupfs', `0::/kubepods/burstable/pod${UID}/${ID}`, { podUid: UID, containerId: ID }],
  [
    'v2, kind: kubelet in a container',
    `0::/system.slice/docker-${'a'.repeat(64)}.scope/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-burstable.slice/kubelet-kubepods-burstable-pod${SNAKE}.slice/cri-containerd-${ID}.scope`,
    { podUid: UID, containerId: ID },
  ],
  [
    'v1, cgroupfs, many hierarchies',
    `12:devices:/kubepods/besteffort/pod${UID}/${ID}\n11:cpu,cpuacct:/kubepods/besteffort/pod${UID}/${ID}\n1:name=systemd:/kubepods/besteffort/pod${UID}/${ID}\n0::/`,
    { podUid: UID, containerId: ID },
  ],
  [
    'v1, systemd',
    `5:memory:/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod${SNAKE}.slice/cri-containerd-${ID}.scope`,
    { podUid: UID, containerId: ID },
  ],
  [
    'v1, containerd with the slice in front of colons',
    `9:pids:/system.slice/containerd.service/kubepods-burstable-pod${SNAKE}.slice:cri-containerd:${ID}`,
    { podUid: UID, containerId: ID },
  ],
  [
    'static pod: the uid is a hash',
    `0::/kubepods/burstable/pod${'0123456789abcdef'.repeat(2)}/${ID}`,
    { podUid: '0123456789abcdef'.repeat(2), containerId: ID },
  ],
  ['Docker, v2, systemd', `0::/system.slice/docker-${ID}.scope`, { containerId: ID }],
  ['Docker, v1, cgroupfs', `4:cpuset:/docker/${ID}`, { containerId: ID }],
  ['Podman', `0::/machine.slice/libpod-${ID}.scope/container`, { containerId: ID }],
  ['Slurm, v2', '0::/system.slice/slurmstepd.scope/job_4711/step_0/user/task_3', { slurmJob: '4711', slurmStep: '0' }],
  [
    'Slurm, v2, several slurmd on a node',
    '0::/system.slice/node7_slurmstepd.scope/job_4711/step_batch/user/task_0',
    { slurmJob: '4711', slurmStep: 'batch' },
  ],
  [
    'Slurm, v1',
    '8:freezer:/slurm/uid_1000/job_4711/step_extern\n4:memory:/slurm/uid_1000/job_4711/step_extern/task_0',
    { slurmJob: '4711', slurmStep: 'extern' },
  ],
  ['Slurm, v1, with the name of the node', '8:freezer:/slurm_node7/uid_1000/job_4711/step_2', { slurmJob: '4711', slurmStep: '2' }],
  [
    'Slurm in a pod (slinky): both',
    `0::/kubepods.slice/kubepods-pod${SNAKE}.slice/cri-containerd-${ID}.scope/system.slice/slurmstepd.scope/job_9/step_0/user`,
    { podUid: UID, containerId: ID, slurmJob: '9', slurmStep: '0' },
  ],
  ['a directory that only looks like Slurm’s', '0::/user.slice/job_12/step_1', {}],
  ['a process of the host', '0::/user.slice/user-1000.slice/session-3.scope', {}],
  ['inside a cgroup namespace', '0::/', {}],
  ['nothing at all', '', {}],
  ['no cgroup line', 'what is this\n::::\n0:', {}],
]

test.each(CASES)('%s', (_, text, expected) => {
  expect(ownerOf(text)).toEqual(expected)
  expect(ownerOf(`${text}\n`)).toEqual(expected)
})

test('processes of one pod have one key, of two jobs in one pod two, of the host none', () => {
  expect(ownerKey({ podUid: UID, containerId: 'a' })).toBe(ownerKey({ podUid: UID, containerId: 'b' }))
  expect(ownerKey({ podUid: UID, slurmJob: '1' })).not.toBe(ownerKey({ podUid: UID, slurmJob: '2' }))
  expect(ownerKey({ slurmJob: '1', slurmStep: '0' })).toBe(ownerKey({ slurmJob: '1', slurmStep: '1' }))
  expect(ownerKey({ containerId: 'a' })).toBeDefined()
  expect(ownerKey({})).toBeUndefined()
})
