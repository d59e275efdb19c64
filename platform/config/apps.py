from django.apps import AppConfig


class ConfigConfig(AppConfig):
    name = "config"
    verbose_name = "Millrace"

    def ready(self) -> None:
        """Load the Celery application, so that `shared_task` finds it in every process."""
        from config import celery, checks, tracing  # noqa: F401  the first two register themselves

        tracing.count_queries()
