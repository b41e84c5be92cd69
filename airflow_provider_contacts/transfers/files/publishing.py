"""Write a file that appears complete or not at all, on a local path or in an object store."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import shutil
import stat
import tempfile
import time
from collections.abc import Iterable
from typing import IO, TYPE_CHECKING

from airflow_provider_contacts.contact import Contact
from airflow_provider_contacts.errors import ContactsError, InvalidRequest
from airflow_provider_contacts.transfers.files.formats import FileFormat
from airflow_provider_contacts.transfers.files.packages import missing_store_provider

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath

# A copy that is older than this was left by a killed task.
_STALE_AFTER_SECONDS = 86_400
_COPY_CHUNK_BYTES = 1 << 20
_BUCKET_PROTOCOLS = ("s3", "s3a", "gs", "gcs")


def write_file(contacts: Iterable[Contact], path: str, file_format: FileFormat) -> tuple[int, int]:
    """Write contacts to a temporary file, and publish it at ``path`` when it is complete.

    :return: the number of contacts, and the size of the file in bytes.
    :raises ContactsError: if reading or writing fails; what was at ``path`` before is still there.
    """
    local_path, _ = _parse_path(path)
    unnamed = _open_unnamed(os.path.dirname(local_path)) if local_path else None
    # Without a name, it disappears even if the task is killed. An upload needs a name.
    with unnamed or (tempfile.TemporaryFile() if local_path else tempfile.NamedTemporaryFile()) as staged:
        try:
            count = file_format.write(contacts, staged)
            staged.flush()
        except OSError as error:
            raise ContactsError(
                f"The temporary file could not be written: {error.strerror or type(error).__name__}.",
                transient=True,
            ) from None
        size = staged.tell()
        _publish(staged, path, can_link=unnamed is not None)
    return count, size


def make_absolute(path: str) -> str:
    """Return a path that does not depend on the current folder."""
    is_url = "://" in path or path.startswith(("file:", "local:"))
    return path if is_url or os.path.isabs(path) else os.path.join(os.getcwd(), path)


def check_path(path: str) -> None:
    """Check, before anything is read, that a file can be written at ``path``.

    :raises ContactsError: if it cannot.
    """
    local_path, store_path = _parse_path(path)
    if store_path is not None:
        _check_store(store_path)
        return
    try:
        os.makedirs(os.path.dirname(local_path), exist_ok=True)
        sibling = _temporary_path(local_path)
        os.close(os.open(sibling, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        os.unlink(sibling)
        with contextlib.suppress(FileNotFoundError):
            if not stat.S_ISREG(os.stat(local_path).st_mode):
                raise InvalidRequest("`path` exists and is not a regular file.")
    except OSError as error:
        raise ContactsError(f"`path` is not writable: {error.strerror}.", transient=True) from None


def _parse_path(path: str) -> tuple[str, ObjectStoragePath | None]:
    """Return the local path, or an empty string and the path in an object store.

    :raises InvalidRequest: if it does not name a file.
    """
    from airflow.sdk import ObjectStoragePath

    try:
        parsed = ObjectStoragePath(path)
        is_local = parsed.protocol in ("", "file", "local")
    except (ValueError, TypeError, ImportError):
        raise InvalidRequest("`path` is neither a local path nor a supported URL.") from None
    if path.endswith("/") or not parsed.path.strip("/"):
        raise InvalidRequest("`path` is a folder. Add the name of a file.")
    # The target of a symbolic link is written, so that the link stays.
    return (os.path.realpath(parsed.path), None) if is_local else ("", parsed)


def _check_store(path: ObjectStoragePath) -> None:
    bucket, _, key = path.path.lstrip("/").partition("/")
    has_bucket = path.protocol in _BUCKET_PROTOCOLS
    if has_bucket and not key:
        raise InvalidRequest("`path` is a bucket. Add the name of a file.")
    try:
        filesystem = path.fs
    except ImportError:
        raise missing_store_provider(path.protocol) from None
    except ValueError as error:
        # Airflow has no own class for this.
        if not str(error).startswith("No filesystem registered"):
            raise
        raise missing_store_provider(path.protocol) from None
    try:
        bucket_exists = not has_bucket or filesystem.exists(bucket)
        filesystem.exists(path.path)
    except PermissionError:
        return  # write permission does not imply read permission
    except Exception as error:
        raise ContactsError(
            f"The object store of `path` cannot be reached ({type(error).__name__}). Check its connection.",
            transient=True,
        ) from None
    if not bucket_exists:
        raise InvalidRequest("The bucket of `path` does not exist.")


def _open_unnamed(folder: str) -> IO[bytes] | None:
    """Open a file without a name in a folder, which can be published there without a copy.

    :return: the file, or None if the platform or the filesystem has no such files.
    """
    flag = getattr(os, "O_TMPFILE", None)
    if flag is None:
        return None
    with contextlib.suppress(OSError):
        os.makedirs(folder, exist_ok=True)
        return open(os.open(folder, flag | os.O_RDWR, 0o666), "w+b")
    return None


def _publish(staged: IO[bytes], path: str, *, can_link: bool) -> None:
    """Put a complete temporary file at ``path`` in one step: a rename, or one upload."""
    local_path, store_path = _parse_path(path)
    try:
        if store_path is None:
            _publish_locally(staged, local_path, can_link=can_link)
        else:
            store_path.fs.put_file(staged.name, store_path.path)
    except OSError as error:
        raise ContactsError(
            f"The file could not be written at `path`: {error.strerror or type(error).__name__}.",
            transient=True,
        ) from None


def _publish_locally(staged: IO[bytes], path: str, *, can_link: bool) -> None:
    folder, name = os.path.split(path)
    os.makedirs(folder, exist_ok=True)
    _remove_stale_siblings(folder, name)
    sibling = _temporary_path(path)
    try:
        # The file should have the mode of the one that it replaces, or else the umask's.
        mode = _mode_of(path)
        if not can_link or not _try_link(staged, sibling, mode):
            _copy(staged, sibling, mode)
        os.replace(sibling, path)
        _sync_folder(folder)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(sibling)
        raise


def _mode_of(path: str) -> int | None:
    with contextlib.suppress(FileNotFoundError):
        return os.stat(path).st_mode & 0o777
    return None


def _try_link(staged: IO[bytes], path: str, mode: int | None) -> bool:
    """Link the unnamed file at ``path``, and return whether that is possible."""
    descriptor = staged.fileno()
    if mode is not None:
        os.fchmod(descriptor, mode)
    os.fsync(descriptor)
    folder = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY)
    try:
        # Without a folder's descriptor, Python would link the entry in /proc instead of the file
        # that it stands for.
        os.link(f"/proc/self/fd/{descriptor}", path, dst_dir_fd=folder)
    except OSError:
        return False
    finally:
        os.close(folder)
    return True


def _copy(staged: IO[bytes], path: str, mode: int | None) -> None:
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
    try:
        final_mode = os.fstat(descriptor).st_mode & 0o777 if mode is None else mode
        os.fchmod(descriptor, 0o600)
        staged.seek(0)
        with open(descriptor, "wb", closefd=False) as copy:
            shutil.copyfileobj(staged, copy, _COPY_CHUNK_BYTES)
        os.fchmod(descriptor, final_mode)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_folder(folder: str) -> None:
    """Make a rename survive a crash of the machine."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove_stale_siblings(folder: str, name: str) -> None:
    for other in os.listdir(folder):
        path = os.path.join(folder, other)
        with contextlib.suppress(OSError):
            is_sibling = other.startswith(_sibling_prefix(name))
            if is_sibling and time.time() - os.stat(path).st_mtime > _STALE_AFTER_SECONDS:
                os.unlink(path)


def _temporary_path(path: str) -> str:
    """Return a new hidden path in the same folder, from which a rename is one step."""
    folder, name = os.path.split(path)
    return os.path.join(folder, f"{_sibling_prefix(name)}{secrets.token_hex(8)}")


def _sibling_prefix(name: str) -> str:
    return f".contacts-{hashlib.sha256(name.encode(errors='surrogateescape')).hexdigest()[:12]}-"
