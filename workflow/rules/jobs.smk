# One rule per job of each plan: the files, the command and the digests stand there.
for name, plan in PLANS.items():
    for job in plan.jobs:

        rule:
            name:
                f"{name}.{job.rule}"
            input:
                raw_files(name, job),
                below(name, job.inputs),
            output:
                below(name, job.outputs),
            log:
                f"logs/{name}/{job.name}.log",
            benchmark:
                f"benchmarks/{name}/{job.name}.tsv"
            conda:
                "../envs/outcomes.yaml"
            threads: 1
            params:
                words=literally(command(name, job)),
                spec=job.spec,
                data=job.data,
                code=job.code,
            shell:
                "python -m outcomes {params.words:q} > {log} 2>&1"
