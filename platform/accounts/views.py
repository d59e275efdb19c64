"""Signing in and out, and passwords: django-allauth's views with our answers where theirs say too little."""

from typing import Any

from allauth.account import views as allauth_views
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render


class SignInView(allauth_views.LoginView):  # type: ignore[misc]  # allauth has no types
    """Sign in by user name or e-mail. Too many failures answer 429 with Retry-After."""

    def form_invalid(self, form: Any) -> HttpResponse:
        response: HttpResponse = super().form_invalid(form)
        if wait := getattr(self.request, "wait_s", 0):
            response.status_code = 429
            response["Retry-After"] = str(wait)
        return response

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        context: dict[str, Any] = super().get_context_data(**kwargs)
        return context | {
            "tries_left": getattr(self.request, "tries_left", None),
            "open_sign_up": settings.OPEN_SIGN_UP,
        }


class PasswordResetView(allauth_views.PasswordResetView):  # type: ignore[misc]
    """Mail a link for a new password; where the site has no mail server, say whom to ask."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        if not settings.EMAIL_HOST:
            return render(request, "account/password_reset_by_hand.html")
        return super().dispatch(request, *args, **kwargs)


class PasswordChangeView(allauth_views.PasswordChangeView):  # type: ignore[misc]
    """Change one's own password; demo accounts are shared, so theirs stay as printed."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        user = request.user
        if getattr(user, "is_demo", False):
            return render(request, "account/password_of_demo.html", status=403)
        if user.is_authenticated and not user.has_usable_password():
            return render(request, "account/password_reset_by_hand.html")
        return super().dispatch(request, *args, **kwargs)


sign_in = SignInView.as_view()
password_reset = PasswordResetView.as_view()
password_change = PasswordChangeView.as_view()
