#!/bin/bash
# Eight workers of one study, one GPU each, by Slurm: sbatch docs/workers/slurm.sh my.toml
# All of them, and you, reach one PostgreSQL database; a killed worker's trial is run by another one.
#SBATCH --job-name=walkbench
#SBATCH --array=0-7
#SBATCH --gpus=1
#SBATCH --cpus-per-task=8
#SBATCH --time=24:00:00
#SBATCH --requeue

export OPTUNA_STORAGE="${OPTUNA_STORAGE:?set it to postgresql://USER:PASSWORD@HOST/DATABASE}"
exec walkbench study worker "$1"
