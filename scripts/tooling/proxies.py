"""nginx and Caddy as reverse proxies at a sub-path, configured as docs/proxies.md shows."""

from pathlib import Path

from tooling.network import LOOPBACK
from tooling.processes import Program
from tooling.programs import program

NGINX = """\
location /pi/ {
    proxy_pass http://UPSTREAM/;
    proxy_http_version 1.1;
    proxy_buffering off;
    proxy_read_timeout 60s;
    proxy_set_header Host $http_host;
    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    proxy_set_header X-Forwarded-Proto $scheme;
    proxy_set_header X-Forwarded-Host $http_host;
    proxy_set_header X-Forwarded-Prefix /pi;
}
"""
"""The contents of a `server` block."""

CADDY = """\
redir /pi /pi/
handle_path /pi/* {
    reverse_proxy UPSTREAM {
        header_up X-Forwarded-Prefix /pi
        flush_interval -1
    }
}
"""
"""The contents of a site block."""

_NGINX_TEMPLATE = """\
daemon off;
worker_processes 1;
pid FOLDER/nginx.pid;
error_log stderr;
events {{ }}
http {{
    access_log off;
    client_body_temp_path FOLDER/body;
    proxy_temp_path FOLDER/proxy;
    fastcgi_temp_path FOLDER/fastcgi;
    uwsgi_temp_path FOLDER/uwsgi;
    scgi_temp_path FOLDER/scgi;
    server {{
        listen {host}:{port};
{snippet}
    }}
}}
"""

_CADDY_TEMPLATE = """\
{{
    admin off
    grace_period 1s
    auto_https off
    storage file_system FOLDER
}}
http://{host}:{port} {{
{snippet}
}}
"""


def nginx(folder: Path, port: int, upstream: str) -> Program:
    """Return an nginx on 127.0.0.1:`port` that proxies `upstream` (host:port) at /pi/."""
    text = _NGINX_TEMPLATE.format(host=LOOPBACK, port=port, snippet=NGINX.replace("UPSTREAM", upstream))
    configuration = _write(folder / "nginx.conf", text)
    return Program("nginx", [program("nginx"), "-e", "stderr", "-c", configuration], folder / "nginx.log")


def caddy(folder: Path, port: int, upstream: str) -> Program:
    """Return a Caddy on 127.0.0.1:`port` that proxies `upstream` (host:port) at /pi/."""
    text = _CADDY_TEMPLATE.format(host=LOOPBACK, port=port, snippet=CADDY.replace("UPSTREAM", upstream))
    configuration = _write(folder / "Caddyfile", text)
    command: list[str | Path] = [program("caddy"), "run", "--adapter", "caddyfile", "--config", configuration]
    return Program("Caddy", command, folder / "caddy.log")


def _write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text.replace("FOLDER", str(path.parent)))
    return path
