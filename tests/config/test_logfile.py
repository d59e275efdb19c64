"""A log file does not grow for ever, and no line is torn apart."""

from pathlib import Path

from config.logfile import LogFile


def test_lines_are_added_to_what_is_there(tmp_path: Path) -> None:
    for word in (b"one\n", b"two\n"):
        log = LogFile(tmp_path / "new" / "web.log")
        log.write(word)
        log.close()

    assert (tmp_path / "new" / "web.log").read_bytes() == b"one\ntwo\n"


def test_a_big_one_is_put_aside_and_one_is_kept(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "web.log", most=1000)
    for number in range(1000):
        log.write(b"%05d\n" % number)
    log.close()

    assert sorted(file.name for file in tmp_path.iterdir()) == ["web.log", "web.log.1"]
    kept = (tmp_path / "web.log.1").read_bytes() + (tmp_path / "web.log").read_bytes()
    assert len(kept) < 2100
    lines = kept.split()
    assert lines == [b"%05d" % number for number in range(1000 - len(lines), 1000)]


def test_a_disk_that_takes_nothing_costs_lines_and_no_more() -> None:
    log = LogFile(Path("/dev/full"))
    for _ in range(3):
        log.write(b"nobody will read this\n")
    log.close()


def test_where_lines_were_lost_a_line_says_so(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "web.log")
    (tmp_path / "web.log").mkdir()
    log.write(b"lost\n")
    (tmp_path / "web.log").rmdir()
    log.write(b"kept\n")
    log.close()

    assert (tmp_path / "web.log").read_text() == "-- lines are missing here: Is a directory --\nkept\n"
