"""What is found on a host becomes targets."""

from __future__ import annotations

import socket
from pathlib import Path

import psutil

from opswatch.hosts.discovery import Found, Listener, discover, listening

NOWHERE = Path("/nonexistent")
NOTHING = {"logs": NOWHERE, "postgres_sockets": (), "mysql_sockets": (), "certificates": NOWHERE}


def ids(*listeners: Listener) -> list[str]:
    return [one.id for one in discover(listeners, **NOTHING)]


def test_servers_are_known_by_their_program_and_reached_where_they_listen():
    found = discover(
        [
            Listener("postgres", "0.0.0.0", 5432),
            Listener("mariadbd", "127.0.0.1", 3307),
            Listener("redis-server", "::1", 6379),
            Listener("sshd", "0.0.0.0", 22),
        ],
        **NOTHING,
    )
    assert [(one.id, one.kind, one.url) for one in found] == [
        ("postgres-here", "postgres", "postgresql://opswatch@127.0.0.1:5432/postgres"),
        ("mysql-3307", "mysql", "mysql://opswatch@127.0.0.1:3307/"),
        ("redis-here", "redis", "redis://[::1]:6379/0"),
    ]


def test_a_port_is_one_server_however_many_addresses_and_workers_it_has():
    assert ids(Listener("nginx", "0.0.0.0", 80), Listener("nginx", "::", 80)) == ["web-here"]


def test_a_web_server_with_tls_gives_a_certificate_to_watch():
    assert ids(Listener("nginx", "0.0.0.0", 80), Listener("nginx", "0.0.0.0", 443)) == ["web-here", "certificate-443"]


def test_a_postgres_with_a_socket_is_reached_by_it_and_named_once(tmp_path):
    (tmp_path / ".s.PGSQL.5433").touch()
    (tmp_path / ".s.PGSQL.5433.lock").touch()
    heard = [Listener("postgres", "127.0.0.1", 5433)]
    found = discover(heard, logs=Path("/nonexistent"), postgres_sockets=[tmp_path], mysql_sockets=())
    assert found == [
        Found(
            "postgres-5433",
            "postgres",
            f"postgresql://opswatch@/postgres?host={tmp_path}&port=5433",
            'createuser opswatch; psql -c "GRANT pg_monitor TO opswatch"',
        )
    ]


def test_logs_of_known_services_are_found_by_their_folder(tmp_path):
    (tmp_path / "nginx").mkdir()
    (tmp_path / "nginx" / "error.log").touch()
    (tmp_path / "redis").mkdir()
    found = discover([], logs=tmp_path, postgres_sockets=(), mysql_sockets=())
    assert [(one.id, one.kind, one.url) for one in found] == [("nginx-log", "log", f"file:{tmp_path}/nginx/*.log")]


def test_names_that_certificates_are_renewed_for_are_looked_at_over_the_network(tmp_path):
    (tmp_path / "shop.example.com").mkdir()
    (tmp_path / "shop.example.com" / "cert.pem").touch()
    (tmp_path / "README").touch()
    found = discover([], **{**NOTHING, "certificates": tmp_path})
    assert found == [Found("certificate-shop-example-com", "tls", "tls://shop.example.com:443")]


def test_a_real_listener_is_heard():
    with socket.create_server(("127.0.0.1", 0)) as server:
        heard = {one.port: one.program for one in listening()}
        assert heard[server.getsockname()[1]] == psutil.Process().name()
