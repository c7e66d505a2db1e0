# One rule per job of the plan: the files, the command and the digests stand there.
for study, plan in PLANS.items():
    for job in plan.jobs:

        rule:
            name:
                f"{study}.{job.rule}"
            input:
                raw_files(study, job),
                below(study, job.inputs),
            output:
                below(study, job.outputs),
            log:
                f"logs/{study}/{job.name}.log",
            benchmark:
                f"benchmarks/{study}/{job.name}.tsv"
            conda:
                "../envs/outcomes.yaml"
            threads: 1
            params:
                words=literally(command(study, job)),
                spec=job.spec,
                data=job.data,
                code=job.code,
            shell:
                "python -m outcomes {params.words:q} > {log} 2>&1"
