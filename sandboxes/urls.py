"""Addresses under /sandbox/: of a student's own sandbox, the only one they can mean, so they carry no id.

One does, for those who may see another's: why it is alive.
"""

from django.urls import path

from sandboxes import views

app_name = "sandboxes"

urlpatterns = [
    path("", views.panel, name="panel"),
    path("start/", views.start, name="start"),
    path("stop/", views.stop, name="stop"),
    path("resume/", views.resume, name="resume"),
    path("delete/", views.delete, name="delete"),
    path("start-over/", views.start_over, name="start_over"),
    path("extend/", views.extend, name="extend"),
    path("why/", views.why, name="why"),
    path("<uuid:sandbox_id>/why/", views.why_of, name="why_of"),
    path("faults/<slug:kind>/", views.fault, name="fault"),
    path("faults/<slug:kind>/undo/", views.undo, name="undo"),
    path("files/", views.files, name="files"),
    path("files/<path:path>", views.file, name="file"),
]
