#!/usr/bin/env bash
# A whole Slurm on this machine, for tests and for trying batch scripts out. It starts in seconds, as root in a
# container, without systemd and without cgroups. Its daemons talk over loopback; munge keeps others out.
#
#   apt-get install --no-install-recommends munge slurmctld slurmd slurm-client
#   slurm/one_node.sh start /tmp/slurm
#   export SLURM_CONF=/tmp/slurm/slurm.conf
#   sbatch ...
#   slurm/one_node.sh stop /tmp/slurm
#
# The node says that it has two processors (CPUS) and two devices that pass for GPUs. A job of the partition `urgent`
# pre-empts those of `batch`. For ranks of Open MPI that srun starts, also install libpmix-dev.
set -euo pipefail

action=${1:-}
folder=$(realpath -m "${2:-}")
cpus=${CPUS:-2}
export PATH="$PATH:/usr/sbin:/sbin" SLURM_CONF="$folder/slurm.conf"

main() {
    case $action in
    start) start ;;
    stop) stop ;;
    *)
        echo "usage: $0 start|stop FOLDER" >&2
        exit 2
        ;;
    esac
}

start() {
    for program in munged slurmctld slurmd sbatch; do
        if [ -z "$(command -v $program)" ]; then
            echo "$0: $program is not installed" >&2
            exit 1
        fi
    done
    mkdir -p "$folder"/{state,spool}
    write_configuration
    # --force: for folders that others than root may write into, as in a container.
    munged --force --key-file="$folder/munge.key" --socket="$folder/munge.socket" --pid-file="$folder/munged.pid" \
        --log-file="$folder/munged.log" --seed-file="$folder/munge.seed" 2>>"$folder/munged.log"
    slurmctld
    slurmd
    for _ in $(seq 100); do
        if [ "$(sinfo --noheader --format=%T 2>/dev/null | sort -u)" = idle ]; then
            return
        fi
        sleep 0.1
    done
    echo "$0: the node did not become idle; see $folder/slurmctld.log and $folder/slurmd.log" >&2
    stop
    exit 1
}

write_configuration() {
    local host user port_1 port_2
    host=$(hostname -s)
    user=$(id -un)
    port_1=$(free_port 20000)
    port_2=$(free_port $((port_1 + 1)))
    (umask 077 && head -c 1024 /dev/urandom >"$folder/munge.key")
    cat >"$SLURM_CONF" <<END
ClusterName=one_node
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$port_1
SlurmdPort=$port_2
SlurmUser=$user
SlurmdUser=$user
AuthType=auth/munge
# A requeued job waits for the lifetime of its credentials: five seconds.
AuthInfo=socket=$folder/munge.socket,cred_expire=5
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=pmi2
MailProg=/bin/true
ReturnToService=2
JobRequeue=1
KillWait=30
MinJobAge=3600
# Not 1: MPICH names its shared memory by the job, and ranks that were killed leave theirs behind.
FirstJobId=$((1 + RANDOM * 10))
SchedulerType=sched/backfill
SchedulerParameters=bf_interval=1,sched_interval=1,sched_min_interval=0
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
SlurmdParameters=config_overrides
GresTypes=gpu
NodeName=$host NodeAddr=127.0.0.1 CPUs=$cpus Gres=gpu:2 State=UNKNOWN
PartitionName=batch Nodes=$host Default=YES MaxTime=INFINITE GraceTime=20 PriorityTier=1
PartitionName=urgent Nodes=$host MaxTime=INFINITE PriorityTier=2 PreemptMode=OFF
END
    printf 'Name=gpu File=%s\n' /dev/null /dev/zero >"$folder/gres.conf"
}

free_port() {
    local port=$1
    port=$((port + RANDOM % 10000))
    while (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do
        port=$((port + 1))
    done
    echo "$port"
}

stop() {
    scancel --user="$(id -un)" 2>/dev/null || true
    for _ in $(seq 100); do
        [ -n "$(squeue --noheader 2>/dev/null)" ] || break
        sleep 0.1
    done
    for daemon in slurmd slurmctld munged; do
        end "$folder/$daemon.pid"
    done
}

# End the process whose number is in a file, and wait for it.
end() {
    local pid
    pid=$(cat "$1" 2>/dev/null) || return 0
    kill "$pid" 2>/dev/null || return 0
    for _ in $(seq 100); do
        kill -0 "$pid" 2>/dev/null || return 0
        sleep 0.1
    done
    kill -KILL "$pid" 2>/dev/null || true
}

main
