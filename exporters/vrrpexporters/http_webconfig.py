"""`web.config.yml` as in the Prometheus ecosystem: TLS, client certificates, basic auth; reread when a file changes.

https://prometheus.io/docs/prometheus/latest/configuration/https/ is the format. A file that does not load at the start
is an error; one that breaks later is logged, and the configuration in force stays.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import logging
import os
import ssl
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from vrrpcore.errors import ConfigError

from .http_message import Request

log = logging.getLogger(__name__)

_VERSIONS: Final = {
    "TLS10": ssl.TLSVersion.TLSv1,
    "TLS11": ssl.TLSVersion.TLSv1_1,
    "TLS12": ssl.TLSVersion.TLSv1_2,
    "TLS13": ssl.TLSVersion.TLSv1_3,
}
#: Go's names (the ecosystem's) of what OpenSSL calls otherwise; TLS 1.3 suites cannot be chosen in either.
_CIPHERS: Final = {
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256": "ECDHE-ECDSA-AES128-GCM-SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384": "ECDHE-ECDSA-AES256-GCM-SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-ECDSA-CHACHA20-POLY1305",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305": "ECDHE-ECDSA-CHACHA20-POLY1305",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA": "ECDHE-ECDSA-AES128-SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA": "ECDHE-ECDSA-AES256-SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256": "ECDHE-RSA-AES128-GCM-SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384": "ECDHE-RSA-AES256-GCM-SHA384",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-RSA-CHACHA20-POLY1305",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305": "ECDHE-RSA-CHACHA20-POLY1305",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA": "ECDHE-RSA-AES128-SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA": "ECDHE-RSA-AES256-SHA",
    "TLS_AES_128_GCM_SHA256": "",
    "TLS_AES_256_GCM_SHA384": "",
    "TLS_CHACHA20_POLY1305_SHA256": "",
}
_CURVES: Final = {"CurveP256": "prime256v1", "CurveP384": "secp384r1", "CurveP521": "secp521r1", "X25519": "X25519"}
_CLIENT_AUTH: Final = {
    "": ssl.CERT_NONE,
    "NoClientCert": ssl.CERT_NONE,
    "VerifyClientCertIfGiven": ssl.CERT_OPTIONAL,
    "RequireAndVerifyClientCert": ssl.CERT_REQUIRED,
}
#: Compared against when the user is unknown, so that the time an answer takes does not tell who exists.
_NOBODY: Final = "$2b$10$CwTycUXWue0Thq9StjUM0uJ8.kZz8uhDgLqzxZ1Qp3vD0R9J6h3gW"
_KEYS: Final = {
    "": {"tls_server_config", "http_server_config", "basic_auth_users"},
    "tls_server_config": {
        "cert_file",
        "key_file",
        "cert",
        "key",
        "client_ca_file",
        "client_ca",
        "client_auth_type",
        "client_allowed_sans",
        "min_version",
        "max_version",
        "cipher_suites",
        "prefer_server_cipher_suites",
        "curve_preferences",
    },
    "http_server_config": {"http2", "headers", "rate_limit"},
}
_HEADERS: Final = {
    "Content-Security-Policy",
    "Strict-Transport-Security",
    "X-Content-Type-Options",
    "X-Frame-Options",
    "X-XSS-Protection",
}


@dataclass(frozen=True, slots=True)
class WebConfig:
    """One state of the file: a TLS context (None: plain HTTP), who may come in, and fields for every response."""

    tls: ssl.SSLContext | None = None
    users: Mapping[str, str] = field(default_factory=dict)  # name -> bcrypt hash
    headers: Mapping[str, str] = field(default_factory=dict)
    allowed_sans: frozenset[str] = frozenset()
    files: tuple[Path, ...] = ()  # what to look at for changes


def load(path: Path) -> WebConfig:
    """Read the file and all that it names; ConfigError says which file, which key, and what to do."""
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        where = getattr(error, "problem_mark", None)
        line = f":{where.line + 1}:{where.column + 1}" if where else ""
        raise ConfigError(f"{path}{line}: is not YAML: {getattr(error, 'problem', None) or 'not UTF-8'}") from error
    top = _mapping(path, "", raw)
    tls_part = _mapping(path, "tls_server_config", top.get("tls_server_config"))
    http_part = _mapping(path, "http_server_config", top.get("http_server_config"))
    headers = _mapping(path, "http_server_config.headers", http_part.get("headers"), _HEADERS)
    context, files = _context(path, tls_part) if tls_part else (None, ())
    if context is None and headers.get("Strict-Transport-Security"):
        raise ConfigError(f"{path}: http_server_config.headers.Strict-Transport-Security makes no sense without TLS")
    sans = tls_part.get("client_allowed_sans") or []
    if sans and tls_part.get("client_auth_type") != "RequireAndVerifyClientCert":
        raise ConfigError(f"{path}: client_allowed_sans needs client_auth_type: RequireAndVerifyClientCert")
    text_headers = {name: _header(path, name, value) for name, value in headers.items()}
    users = _users(path, top.get("basic_auth_users"))
    return WebConfig(context, users, text_headers, frozenset(map(str, sans)), (path, *files))


def _header(path: Path, name: str, value: Any) -> str:
    text = str(value)
    if not text.isascii() or not text.isprintable():
        raise ConfigError(f"{path}: http_server_config.headers.{name} must be one line of ASCII")
    return text


def _mapping(path: Path, name: str, value: Any, known: set[str] | None = None) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ConfigError(f"{path}: {name or 'the file'} must be a mapping, not {type(value).__name__}")
    for key in value:
        if key not in (known or _KEYS.get(name, {key})):
            raise ConfigError(f"{path}: unknown key {key!r}{f' in {name}' if name else ''}")
    return value


def _users(path: Path, value: Any) -> dict[str, str]:
    users = _mapping(path, "basic_auth_users", value, set(value) if isinstance(value, dict) else None)
    if not users:
        return {}
    try:
        import bcrypt
    except ImportError as error:
        raise ConfigError(f"{path}: basic_auth_users needs the Python package bcrypt: pip install bcrypt") from error
    for name, hashed in users.items():
        try:
            bcrypt.hashpw(b"x", b"$2b$04$" + str(hashed).encode("ascii")[7:29])
            if str(hashed)[:4] not in ("$2a$", "$2b$", "$2y$") or len(str(hashed)) != 60:
                raise ValueError
        except ValueError as error:
            raise ConfigError(
                f"{path}: basic_auth_users.{name}: not a bcrypt hash; make one with: htpasswd -nBC 10 {name}"
            ) from error
    return {str(name): str(hashed) for name, hashed in users.items()}


def _context(path: Path, part: dict[str, Any]) -> tuple[ssl.SSLContext, tuple[Path, ...]]:
    """The TLS context of `tls_server_config`, and the files behind it (relative names: beside the configuration)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    files = {key: path.parent / str(part[key]) for key in ("cert_file", "key_file", "client_ca_file") if part.get(key)}
    for key, file in files.items():
        if not os.access(file, os.R_OK):
            raise ConfigError(f"{path}: tls_server_config.{key}: {file} cannot be read")
    if part.get("cert") or part.get("key"):
        raise ConfigError(f"{path}: tls_server_config: cert and key inline are not supported; use cert_file, key_file")
    if "cert_file" not in files or "key_file" not in files:
        raise ConfigError(f"{path}: tls_server_config needs cert_file and key_file")
    try:
        context.load_cert_chain(files["cert_file"], files["key_file"], password=_no_password)
    except (ssl.SSLError, OSError, ValueError) as error:
        reason = "the key is encrypted" if isinstance(error, ValueError) else str(error)
        raise ConfigError(
            f"{path}: {files['cert_file']} and {files['key_file']} are no certificate and its key: {reason}"
        ) from error
    _client_certificates(path, part, context, files.get("client_ca_file"))
    _versions_and_ciphers(path, part, context)
    return context, tuple(files.values())


def _no_password() -> str:
    raise ValueError("encrypted key")


def _client_certificates(path: Path, part: dict[str, Any], context: ssl.SSLContext, file: Path | None) -> None:
    kind = str(part.get("client_auth_type") or "")
    if kind not in _CLIENT_AUTH:
        raise ConfigError(
            f"{path}: tls_server_config.client_auth_type {kind!r}: use one of {', '.join(k for k in _CLIENT_AUTH if k)}"
            " (a certificate that is asked for but not verified proves nothing)"
        )
    mode = _CLIENT_AUTH[kind]
    inline = part.get("client_ca")
    if mode != ssl.CERT_NONE and not (file or inline):
        raise ConfigError(f"{path}: client_auth_type {kind} needs client_ca_file")
    if mode == ssl.CERT_NONE and (file or inline):
        raise ConfigError(f"{path}: client_ca_file without client_auth_type: RequireAndVerifyClientCert has no effect")
    try:
        if file or inline:
            context.load_verify_locations(cafile=file, cadata=str(inline) if inline else None)
    except (ssl.SSLError, OSError, ValueError) as error:
        raise ConfigError(f"{path}: client_ca_file {file or '(inline)'} holds no certificate: {error}") from error
    context.verify_mode = mode


def _versions_and_ciphers(path: Path, part: dict[str, Any], context: ssl.SSLContext) -> None:
    for key, default in (("min_version", "TLS12"), ("max_version", "TLS13")):
        name = str(part.get(key) or default)
        if name not in _VERSIONS:
            raise ConfigError(f"{path}: tls_server_config.{key} {name!r}: use one of {', '.join(_VERSIONS)}")
        setattr(context, "minimum_version" if key == "min_version" else "maximum_version", _VERSIONS[name])
    suites = part.get("cipher_suites") or []
    for name in suites:
        if name not in _CIPHERS:
            raise ConfigError(f"{path}: tls_server_config.cipher_suites: {name!r} is unknown or not safe")
    if chosen := [_CIPHERS[name] for name in suites if _CIPHERS[name]]:
        context.set_ciphers(":".join(chosen))
    curves = part.get("curve_preferences") or []
    for name in curves:
        if name not in _CURVES:
            raise ConfigError(f"{path}: tls_server_config.curve_preferences: {name!r}: use {', '.join(_CURVES)}")
    if curves:
        if len(curves) > 1:
            log.warning("%s: of curve_preferences only the first, %s, is used", path, curves[0])
        context.set_ecdh_curve(_CURVES[curves[0]])
    if part.get("prefer_server_cipher_suites", True):
        context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE


def _stamp(files: tuple[Path, ...]) -> tuple[object, ...]:
    """What changes when a file's content does: a secret mounted by Kubernetes changes its inode, an editor its time."""
    rows: list[object] = []
    for file in files:
        try:
            state = file.stat()
            rows.append((state.st_ino, state.st_mtime_ns, state.st_size))
        except OSError:
            rows.append(None)
    return tuple(rows)


class WebConfigFile:
    """The file's present state; asked for at each connection and request, reread when a file behind it has changed."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._config = load(path) if path else WebConfig()
        self._stamp = _stamp(self._config.files)
        self._lock = threading.Lock()

    def current(self) -> WebConfig:
        """The configuration in force. Never raises: a file that broke leaves the one before in force."""
        if self._path is None:
            return self._config
        with self._lock:
            stamp = _stamp(self._config.files)
            if stamp != self._stamp:
                self._stamp = stamp
                self._reread(self._path)
            return self._config

    def _reread(self, path: Path) -> None:
        try:
            fresh = load(path)
        except ConfigError as error:
            log.error("%s; the configuration in force stays", error)
            return
        if (fresh.tls is None) != (self._config.tls is None):
            log.warning("%s: TLS is now %s", path, "off" if fresh.tls is None else "on")
        self._config = fresh
        self._stamp = _stamp(fresh.files)
        log.info("%s was read again", path)


class Gatekeeper:
    """Basic auth against bcrypt hashes; a decision is remembered, because bcrypt costs 50 ms and more by design."""

    def __init__(self, remembered: int = 100) -> None:
        self._known: OrderedDict[bytes, bool] = OrderedDict()
        self._remembered = remembered
        self._lock = threading.Lock()

    def remembers(self, config: WebConfig, request: Request) -> bool | None:
        """The decision without computing a hash: True, False, or None when it needs `admits`."""
        if not config.users:
            return True
        credentials = _credentials(request)
        if credentials is None:
            return False
        with self._lock:
            return self._known.get(_digest(config, *credentials))

    def admits(self, config: WebConfig, request: Request) -> bool:
        """Whether these credentials are right; costs a bcrypt computation (off the event loop, please)."""
        known = self.remembers(config, request)
        if known is not None:
            return known
        import bcrypt

        name, password = _credentials(request) or ("", b"")
        hashed = config.users.get(name, _NOBODY).encode()
        right = bcrypt.checkpw(password[:72], hashed) and name in config.users
        with self._lock:
            self._known[_digest(config, name, password)] = right
            while len(self._known) > self._remembered:
                self._known.popitem(last=False)
        return right


def _credentials(request: Request) -> tuple[str, bytes] | None:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name, colon, password = base64.b64decode(token.strip(), validate=True).partition(b":")
        return (name.decode("utf-8"), password) if colon and b"\0" not in password else None
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return None


def _digest(config: WebConfig, name: str, password: bytes) -> bytes:
    parts = (name.encode(), config.users.get(name, "").encode(), password)
    return hashlib.sha256(b"".join(len(part).to_bytes(4, "big") + part for part in parts)).digest()
