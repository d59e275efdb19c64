"""Where our accounts differ from django-allauth's: closed sign-up, plain sentences, a wait with an end."""

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from django.conf import settings
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.urls import reverse

from accounts import throttle

_MISMATCH = "That name and password do not belong together. Check both and try again."


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]  # allauth has no types
    error_messages = {
        **DefaultAccountAdapter.error_messages,
        "account_inactive": "This account is closed. Ask whoever runs this site to open it again.",
        "email_password_mismatch": _MISMATCH,
        "username_password_mismatch": _MISMATCH,
        "incorrect_password": "That is not your password. Check it and try again.",
        "enter_current_password": "That is not your password. Check it and try again.",
    }

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Open only where the operator says so; otherwise accounts are handed out."""
        return bool(settings.OPEN_SIGN_UP)

    def get_password_change_redirect_url(self, request: HttpRequest) -> str:
        """Back to the form, which then says that it is done."""
        return reverse("account_change_password") + "?changed"

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        """Count the try; when there were too many, say how long to wait instead of "try again later"."""
        try:
            super().pre_authenticate(request, **credentials)
        except ValidationError as error:
            raise self._too_many_tries(request, credentials) from error

    def authentication_failed(self, request: HttpRequest, **credentials: Any) -> None:
        """Tell the form what is left, the same for names that exist and names that do not."""
        key = self._get_login_attempts_cache_key(request, **credentials)
        request.tries_left = throttle.tries_left(request, "login_failed", key=key)  # type: ignore[attr-defined]

    def add_message(self, *args: Any, **kwargs: Any) -> None:
        """Say nothing: what happened is written where it happened, never in a toast."""

    def _too_many_tries(self, request: HttpRequest, credentials: dict[str, Any]) -> ValidationError:
        key = self._get_login_attempts_cache_key(request, **credentials)
        wait = throttle.wait_s(request, "login_failed", key=key) or 1
        request.wait_s = wait  # type: ignore[attr-defined]
        return ValidationError(
            f"Too many tries that failed. Wait {throttle.in_words(wait)}, then sign in again.",
            code="too_many_login_attempts",
        )
