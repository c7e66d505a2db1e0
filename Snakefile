# From raw exports to tables, figures and a report, for every study in config.yaml.
# What is made of what is decided by outcomes.plan, not here.
from snakemake.utils import min_version

min_version("9.27")


# a file given with --configfile stands instead of this one, not on top of it
if "studies" not in config:

    configfile: "config/config.yaml"


include: "workflow/rules/common.smk"
include: "workflow/rules/jobs.smk"


localrules:
    all,


rule all:
    default_target: True
    input:
        all_outputs(),
