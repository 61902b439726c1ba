"""The queue that is a file: nothing is lost in it, and nothing in it is taken twice."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from crossmodel.errors import WitnessError
from crossmodel.witness.handing_over.drain import READ_BYTES, Drain
from crossmodel.witness.handing_over.frames import HEADER_BYTES, MARK, MAX_BODY, frame, scan
from crossmodel.witness.handing_over.spool import DONE, Position, Progress, Spool, segment_name

START = Position(0, 0)


def drained(drain, most=100):
    """Everything that there is to take."""
    bodies = []
    while (batch := drain.take(most)) is not None:
        assert batch.damaged == ()
        bodies += batch.bodies
        drain.advance(batch.end)
    return bodies


@pytest.fixture
def root(tmp_path):
    return tmp_path / "s.db.spool"


@pytest.fixture
def spool(root):
    spool = Spool(root)
    yield spool
    spool.close()


def test_a_frame_has_a_body_of_bounded_size():
    assert scan(frame(b"a"), 9).bodies == [b"a"]
    for body in (b"", bytes(MAX_BODY + 1)):
        with pytest.raises(WitnessError, match="1 to"):
            frame(body)


def test_no_text_holds_the_mark():
    with pytest.raises(UnicodeDecodeError):
        MARK.decode("utf-8", "surrogatepass")
    assert MARK[0] == 0xFF  # which no encoding of a character holds


@pytest.mark.parametrize("bit", [0, 7])
def test_whatever_byte_is_damaged_the_other_records_are_read(bit):
    bodies = [b"first", b"the second one", b"third"]
    whole = b"".join(map(frame, bodies))
    ends = [sum(HEADER_BYTES + len(body) for body in bodies[: n + 1]) for n in range(3)]
    for at in range(len(whole)):
        data = bytearray(whole)
        data[at] ^= 1 << bit
        hit = next(n for n, end in enumerate(ends) if at < end)
        found = scan(bytes(data), 9)
        assert found.bodies == [body for n, body in enumerate(bodies) if n != hit]
        if hit == 2:  # nothing behind it: it may be half-written
            assert found.damaged == []
            assert found.end == ends[1]
        else:
            assert found.damaged == [(ends[hit - 1] if hit else 0, ends[hit])]
            assert found.end == len(whole)


@pytest.mark.parametrize("cut", range(1, HEADER_BYTES + 5))
def test_a_torn_tail_is_no_record_until_it_is_whole(cut):
    whole = frame(b"before") + frame(b"after")
    found = scan(whole[:-cut], 9)
    assert found.bodies == [b"before"]
    assert found.end == HEADER_BYTES + len(b"before")
    assert found.damaged == []


def test_records_come_in_order_over_many_segments_which_are_deleted(root):
    spool = Spool(root, segment_bytes=1000, buffer_bytes=300)
    drain = Drain(spool.folder, START)
    bodies = [b"%d" % n * (n % 50 + 1) for n in range(500)]
    seen = []
    for n, body in enumerate(bodies):
        spool.append(body)
        if n % 70 == 0:
            spool.flush()
            seen += drained(drain, most=7)
    end = spool.flush()
    assert end.segment > 10
    seen += drained(drain)
    assert seen == bodies
    assert spool.progress().position == end == drain.position
    assert len(list(spool.folder.glob("*.spool"))) == 1
    spool.close()
    drain.close()


def test_another_reader_goes_on_where_the_first_one_was_durable(spool):
    for body in (b"a", b"b", b"c"):
        spool.append(body)
    spool.flush()
    first = Drain(spool.folder, START)
    batch = first.take(2)
    assert batch.bodies == [b"a", b"b"]
    first.close()  # killed before anything was durable
    second = Drain(spool.folder, START)
    assert second.take(2).bodies == [b"a", b"b"]
    second.close()  # killed when it was durable, and had not said so
    third = Drain(spool.folder, batch.end)
    assert spool.progress().position == batch.end  # it says so itself
    assert drained(third) == [b"c"]
    third.close()


def test_a_large_record_is_read_whole_and_found_behind_a_damaged_large_one(spool):
    large = [bytes([n]) * (READ_BYTES + 1000) for n in (1, 2)]
    for body in (large[0], large[1], b"small"):
        spool.append(body)
    spool.flush()
    path = spool.folder / segment_name(0)
    data = bytearray(path.read_bytes())
    data[0] ^= 1  # its mark: nothing says how long it was
    path.write_bytes(data)
    drain = Drain(spool.folder, START)
    batch = drain.take(9)
    assert batch.bodies == [large[1], b"small"]
    assert batch.damaged == (bytes(data[: HEADER_BYTES + len(large[0])]),)
    drain.close()


def test_what_the_living_have_half_written_is_waited_for_and_the_dead_is_cut(spool):
    spool.append(b"whole")
    spool.flush()
    path = spool.folder / segment_name(0)
    with path.open("ab") as file:
        file.write(frame(b"half-written")[:-3])
    drain = Drain(spool.folder, START)
    assert drained(drain) == [b"whole"]
    assert not drain.is_finished()
    with path.open("ab") as file:
        file.write(b"ten")
    assert drained(drain) == [b"half-written"]
    with path.open("ab") as file:
        file.write(frame(b"never finished")[:-3])
    spool.close()
    assert drained(drain) == []
    assert drain.is_finished()
    drain.remove()
    assert not spool.folder.exists()


def test_what_is_damaged_at_the_end_of_a_full_segment_is_told(root):
    spool = Spool(root, segment_bytes=1)
    for body in (b"first", b"second"):
        spool.append(body)
        spool.flush()
    path = spool.folder / segment_name(0)
    path.write_bytes(path.read_bytes()[:-1])
    drain = Drain(spool.folder, START)
    batch = drain.take(9)
    assert (batch.bodies, len(batch.damaged)) == ([], 1)
    drain.advance(batch.end, refused=1)
    assert drained(drain) == [b"second"]
    assert spool.progress().refused == 1
    spool.close()
    drain.close()


def test_a_killed_producer_is_known_to_be_dead(root):
    code = (
        "import sys; from pathlib import Path; from crossmodel.witness.handing_over.spool import Spool\n"
        "spool = Spool(Path(sys.argv[1])); spool.append(b'said'); spool.flush()\n"
        "print(spool.folder, flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(root)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        folder = Path(child.stdout.readline().strip())
        drain = Drain(folder, START)
        assert drained(drain) == [b"said"]
        assert not drain.is_finished()
        child.kill()
        child.wait()
    assert drained(drain) == []
    assert drain.is_finished()
    drain.close()


def test_only_its_user_can_read_it(spool, root):
    spool.append(b"secret")
    spool.flush()
    assert root.stat().st_mode & 0o777 == 0o700
    assert spool.folder.stat().st_mode & 0o777 == 0o700
    for name in (segment_name(0), DONE):
        assert (spool.folder / name).stat().st_mode & 0o777 == 0o600


def test_progress_that_is_damaged_is_not_believed(spool):
    assert spool.progress() == Progress(START)
    path = spool.folder / DONE
    data = bytearray(path.read_bytes())
    data[0] ^= 1
    path.write_bytes(data)
    with pytest.raises(WitnessError, match="damaged"):
        spool.progress()


def test_a_full_disk_is_told_and_every_record_that_was_taken_is_kept_once(root):
    spool = Spool(root, buffer_bytes=400)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    taken = []
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))  # in the middle of a record
    try:
        while len(taken) < 100:
            try:
                spool.append(b"%03d" % len(taken) * 20)
            except WitnessError as error:
                assert "may not write files of this size" in str(error)
                break
            taken.append(b"%03d" % len(taken) * 20)
        with pytest.raises(WitnessError, match="nothing that was acknowledged is lost"):
            spool.append(b"refused, not taken")
        with pytest.raises(WitnessError):
            spool.flush()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert 10 < len(taken) < 30  # memory is bounded too
    spool.append(b"there is space again")
    spool.flush()
    drain = Drain(spool.folder, START)
    assert drained(drain) == [*taken, b"there is space again"]
    spool.close()
    drain.close()


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(WitnessError, match="something else is in the folder's place"):
        Spool(tmp_path / "file" / "s.spool")


READ_ONLY = """
import os, sys
from pathlib import Path
from crossmodel.errors import WitnessError
from crossmodel.witness.handing_over.spool import Spool

place = Path(sys.argv[1])
if os.geteuid() == 0:  # nothing is read-only to root
    os.chown(place, 65534, 65534)
    os.setuid(65534)

def refused(work):
    try:
        work()
    except WitnessError as error:
        assert "the folder must be writable" in str(error), error
        return True

place.chmod(0o500)
assert refused(lambda: Spool(place / "s.spool"))
place.chmod(0o700)
spool = Spool(place / "s.spool", segment_bytes=1, buffer_bytes=1)
spool.append(b"first")
spool.append(b"second")
spool.folder.chmod(0o500)
assert refused(lambda: spool.append(b"not taken"))
spool.folder.chmod(0o700)
spool.append(b"third")
spool.flush()
print(spool.folder)
"""


def test_a_folder_that_is_read_only_is_told(tmp_path):
    place = tmp_path / "place"
    place.mkdir()
    for parent in tmp_path.parents[:3]:
        parent.chmod(parent.stat().st_mode | 0o011)
    tmp_path.chmod(0o711)
    done = subprocess.run(
        [sys.executable, "-c", READ_ONLY, str(place)], check=True, capture_output=True, text=True
    )
    drain = Drain(Path(done.stdout.strip()), START)
    assert drained(drain) == [b"first", b"second", b"third"]
    drain.close()


def test_a_forked_process_does_not_write_into_it(spool):
    spool.append(b"the parent's")
    child = os.fork()
    if child == 0:
        try:
            spool.flush()
        except WitnessError:
            os._exit(0)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    spool.flush()
    drain = Drain(spool.folder, START)
    assert drained(drain) == [b"the parent's"]
    drain.close()


def test_who_is_not_there_cannot_be_woken(spool, root):
    assert not spool.wake()
    reading = os.open(root / "wake", os.O_RDONLY | os.O_NONBLOCK)
    assert spool.wake()
    assert os.read(reading, 10) == b"\0"
    os.close(reading)
    assert not spool.wake()
