"""The instructor's addresses, under /class/; each is checked against the viewer's own classes."""

from django.urls import path

from classroom import views

app_name = "classroom"

urlpatterns = [
    path("", views.home, name="home"),
    path("<int:cohort_id>/", views.room, name="room"),
    path("<int:cohort_id>/rows/", views.rows, name="rows"),
    path("<int:cohort_id>/people/", views.people, name="people"),
    path("<int:cohort_id>/gradebook/", views.grades, name="gradebook"),
    path("<int:cohort_id>/gradebook.csv", views.grades_csv, name="csv"),
    path("<int:cohort_id>/<int:student_id>/", views.student, name="student"),
    path("<int:cohort_id>/<int:student_id>/changes/", views.student_changes, name="changes"),
    path("<int:cohort_id>/<int:student_id>/keep-awake/", views.keep_awake, name="keep_awake"),
]
