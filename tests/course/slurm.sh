# slurm.sh - a cluster of one node, this computer, for a test: daemons of our own in a scratch
# folder, started here and ended here by their pid files. (Sourced.)

# What is missing, or nothing.
slurm_missing() {
    local tool
    [ "$(id -u)" = 0 ] || { echo "the daemons want root"; return; }
    for tool in munged slurmctld slurmd sbatch squeue; do
        command -v $tool >/dev/null || {
            echo "$tool is not installed (sudo apt install slurmctld slurmd slurm-client munge)"
            return
        }
    done
}

slurm_pid() { cat "$1" 2>/dev/null; }

slurm_start() { # FOLDER
    local dir=$1 host try
    host=$(hostname -s)
    mkdir -p "$dir/state" "$dir/spool" "$dir/munge" && chmod 700 "$dir/munge"
    head -c 1024 /dev/urandom >"$dir/munge/key" && chmod 400 "$dir/munge/key"
    cat >"$dir/slurm.conf" <<END
ClusterName=tests
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=16817
SlurmdPort=16818
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket=$dir/munge/socket
CredType=cred/munge
StateSaveLocation=$dir/state
SlurmdSpoolDir=$dir/spool
SlurmctldPidFile=$dir/slurmctld.pid
SlurmdPidFile=$dir/slurmd.pid
SlurmctldLogFile=$dir/slurmctld.log
SlurmdLogFile=$dir/slurmd.log
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
MpiDefault=none
NodeName=$host NodeAddr=127.0.0.1 CPUs=$(nproc) State=UNKNOWN
PartitionName=tests Nodes=ALL Default=YES MaxTime=INFINITE State=UP
END
    export SLURM_CONF=$dir/slurm.conf
    munged --key-file="$dir/munge/key" --socket="$dir/munge/socket" --force \
        --pid-file="$dir/munged.pid" --log-file="$dir/munge/log" --seed-file="$dir/munge/seed" || return 1
    slurmctld -f "$dir/slurm.conf" >"$dir/slurmctld.out" 2>&1 || return 1
    slurmd -f "$dir/slurm.conf" -N "$host" >"$dir/slurmd.out" 2>&1 || return 1
    for try in $(seq 60); do
        sinfo -h -o %T 2>/dev/null | grep -q idle && return 0
        sleep 0.5
    done
    sinfo
    tail -n 5 "$dir"/*.log
    return 1
}

slurm_node_kill() { # FOLDER
    kill -KILL "$(slurm_pid "$1/slurmd.pid")" && sleep 1 &&
        slurmd -f "$1/slurm.conf" -N "$(hostname -s)"
}

slurm_stop() { # FOLDER
    local name pid
    scancel --me 2>/dev/null
    for name in slurmd slurmctld munged; do
        pid=$(slurm_pid "$1/$name.pid")
        [ -n "$pid" ] && kill "$pid" 2>/dev/null
        for _ in $(seq 50); do
            [ -n "$pid" ] && kill -0 "$pid" 2>/dev/null || break
            sleep 0.2
        done
    done
    unset SLURM_CONF
}
