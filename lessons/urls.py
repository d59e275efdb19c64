"""The addresses of the course; all but the front page need a signed-in user."""

from django.urls import path

from lessons import views

app_name = "lessons"

urlpatterns = [
    path("", views.front, name="home"),
    path("search/", views.search, name="search"),
    path("board/", views.board, name="board"),
    path("lessons/<slug:slug>/", views.lesson, name="lesson"),
    path("lessons/<slug:slug>/place/", views.place, name="place"),
    path("lessons/<slug:slug>/labs/<slug:lab>/", views.lab, name="lab"),
    path("lessons/<slug:slug>/labs/<slug:lab>/start/", views.start, name="start"),
    path("lessons/<slug:slug>/labs/<slug:lab>/reset/", views.reset, name="reset"),
    path("lessons/<slug:slug>/labs/<slug:lab>/tasks/<slug:task>/check/", views.check, name="check"),
    path("lessons/<slug:slug>/labs/<slug:lab>/tasks/<slug:task>/hint/<int:step>/", views.hint, name="hint"),
    path("lessons/<slug:slug>/quiz/<slug:item>/", views.quiz, name="quiz"),
    path("lessons/<slug:slug>/predict/<slug:item>/", views.predict, name="predict"),
]
