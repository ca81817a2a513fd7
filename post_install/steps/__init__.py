"""The steps, in the order in which they are run."""

from post_install.steps import (
    s10_group,
    s20_folders,
    s30_shared,
    s40_tls,
    s50_settings,
    s60_prefix,
    s65_kernels,
    s70_secrets,
    s80_pam,
    s90_service,
    s95_logrotate,
)

STEPS = (
    s10_group.STEP,
    s20_folders.STEP,
    s30_shared.STEP,
    s40_tls.STEP,
    s50_settings.STEP,
    s60_prefix.STEP,
    s65_kernels.STEP,
    s70_secrets.STEP,
    s80_pam.STEP,
    s90_service.STEP,
    s95_logrotate.STEP,
)
