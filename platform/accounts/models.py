"""Who is here: users with one role each, and the cohorts they learn and teach in."""

from django.contrib.auth.models import AbstractUser
from django.db import models
from django.db.models.functions import Lower
from django.utils.crypto import salted_hmac


class Role(models.TextChoices):
    """What a user comes for. An admin may see everybody; an instructor only the cohorts they teach."""

    STUDENT = "student", "student"
    INSTRUCTOR = "instructor", "instructor"
    ADMIN = "admin", "admin"


class User(AbstractUser):
    """A person who signs in.

    is_demo: the account came with the demo and its password is known to everybody; it is shut as soon as
             the DEMO setting is off.
    """

    role = models.CharField(max_length=10, choices=Role, default=Role.STUDENT)
    is_demo = models.BooleanField(default=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(Lower("username"), name="user_username_whatever_case"),
            models.UniqueConstraint(
                Lower("email"), condition=~models.Q(email=""), name="user_email_whatever_case"
            ),
            models.CheckConstraint(condition=models.Q(role__in=Role.values), name="user_role_known"),
        ]

    def __str__(self) -> str:
        return self.shown_name

    def _get_session_auth_hash(self, secret: str | None = None) -> str:
        """A session is of one password and one role: when either changes, it has ended."""
        value = f"{self.role}:{self.password}"
        return salted_hmac("accounts.session", value, secret=secret, algorithm="sha256").hexdigest()

    @property
    def shown_name(self) -> str:
        """The name to greet with: first and last name, or the user name where none is given."""
        return self.get_full_name() or self.username

    @property
    def initials(self) -> str:
        """One or two capitals for the round button in the header."""
        words = self.shown_name.split()
        return "".join(word[0] for word in (words[0], *words[1:][-1:])).upper()

    @property
    def is_admin(self) -> bool:
        return self.role == Role.ADMIN

    @property
    def is_instructor(self) -> bool:
        return self.role == Role.INSTRUCTOR

    @property
    def is_staff_member(self) -> bool:
        """Instructor or admin: somebody who looks after students."""
        return self.role in {Role.INSTRUCTOR, Role.ADMIN}


class Cohort(models.Model):
    """A group that takes the course together, between two dates (both inclusive; no end: open)."""

    name = models.CharField(max_length=120, unique=True)
    starts_on = models.DateField()
    ends_on = models.DateField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(ends_on__isnull=True) | models.Q(ends_on__gte=models.F("starts_on")),
                name="cohort_ends_after_it_starts",
            )
        ]

    def __str__(self) -> str:
        return self.name


class Enrolment(models.Model):
    """One user's place in one cohort, as a student or as an instructor of it, until they leave."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="enrolments")
    cohort = models.ForeignKey(Cohort, on_delete=models.CASCADE, related_name="enrolments")
    role = models.CharField(max_length=10, choices=Role, default=Role.STUDENT)
    joined_at = models.DateTimeField(auto_now_add=True)
    left_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "cohort"], name="enrolment_once_per_cohort"),
            models.CheckConstraint(
                condition=models.Q(role__in=[Role.STUDENT, Role.INSTRUCTOR]), name="enrolment_role_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user}, {self.role} in {self.cohort}"
