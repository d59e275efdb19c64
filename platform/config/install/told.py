"""Any error of set-up, as one sentence and the next step."""

import traceback

from config import env
from config.install import tools
from config.install.faults import SetupFault, from_os_error


def told(error: Exception) -> tuple[str, str]:
    """What to say to whoever typed the command; what we did not foresee goes to the log of set-up as well."""
    if isinstance(error, OSError):
        error = from_os_error(error) or error
    if isinstance(error, SetupFault):
        return error.sentence, error.next_step
    if isinstance(error, env.BadSetting):
        return str(error), "Then run the same command again."
    tools.note("".join(traceback.format_exception(error)))
    return (
        f"An error that we did not foresee: {type(error).__name__}: {error}",
        f"More is in {tools.SETUP_LOG}",
    )
