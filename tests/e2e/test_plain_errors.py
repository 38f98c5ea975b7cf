"""What can be wrong on somebody's machine, and whether `btcf up` says so in words that lead out of it."""
import os
import pwd
import shutil
import socket
import subprocess
import time

import pytest

from conftest import SIMULATE
from stack import BTCF, SHARED, Stack, free_port, make_state_dir

ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason='NOT ROOT: accounts and mounts cannot be arranged')


def in_mount_namespace(script):
    """Does the kernel let us have mounts of our own?"""
    return subprocess.run(['unshare', '-m', 'sh', '-c', script], capture_output=True, check=False).returncode == 0


MOUNTS = pytest.mark.skipif(os.geteuid() != 0 or not in_mount_namespace('mount -t tmpfs none /mnt'),
                            reason='NO MOUNT NAMESPACES: nothing was tested on a full or foreign disk')


def refuses(stack, *words):
    """It ends soon, with one sentence that holds all the words, and leaves nothing running."""
    begin = time.monotonic()
    status, text = stack.run_to_end(30)
    last = text.splitlines()[-1]
    assert status in (1, 2), text
    assert last.startswith('btcf up: '), text
    for word in words:
        assert word in last, f'"{word}" is not in: {last}'
    assert time.monotonic() - begin < 20
    assert not stack.processes()
    return last


def test_port_in_use_names_its_holder(make_stack):
    with socket.socket() as holder:
        holder.bind(('127.0.0.1', 0))
        holder.listen()
        port = holder.getsockname()[1]
        refuses(make_stack(port=port, settings=SIMULATE), f'port {port}', 'in use', f'(process {os.getpid()})',
                f'PORT={port + 1}')


def test_port_of_root_is_refused_with_the_reason(make_stack):
    with open('/proc/sys/net/ipv4/ip_unprivileged_port_start', encoding='utf-8') as file:
        if int(file.read()) <= 80:
            pytest.skip('EVERY PORT IS FREE FOR ALL on this machine')
    refuses(make_stack(port=80, settings=SIMULATE), 'port 80', 'root', 'PORT=')


def test_address_of_another_machine_is_refused(make_stack):
    refuses(make_stack(settings={**SIMULATE, 'http_host': '192.0.2.1'}), 'http_host', '192.0.2.1')


def test_missing_database_server_names_the_package(make_stack):
    refuses(make_stack(settings={**SIMULATE, 'postgres_bin_dir': '/nonexistent'}), 'initdb', '/nonexistent')


def test_missing_nginx_names_the_package(make_stack):
    refuses(make_stack(settings={**SIMULATE, 'nginx_binary': '/nonexistent/nginx'}), '/nonexistent/nginx',
            'apt-get install nginx')


def lonely_program(directory):
    """The program where its module is not."""
    os.chmod(directory, 0o755)
    return shutil.copy2(BTCF, directory)


@pytest.mark.skipif(os.path.exists('/usr/lib/nginx/modules/ngx_http_btcf_module.so'),
                    reason='THE MODULE IS INSTALLED: its absence cannot be arranged')
def test_missing_module_names_the_target(make_stack, tmp_path):
    stack = make_stack(settings=SIMULATE)
    command = stack.command()
    stack.command = lambda: [lonely_program(tmp_path), *command[1:]]
    refuses(stack, 'ngx_http_btcf_module.so', 'make module')


def test_module_of_another_nginx_is_explained(make_stack, tmp_path):
    with open(os.path.join(os.path.dirname(BTCF), 'ngx_http_btcf_module.so'), 'rb') as file:
        module = file.read()
    assert module.count(b'8,4,8,') == 1  # the signature: sizes and features of the nginx that it was built with
    (tmp_path / 'ngx_http_btcf_module.so').write_bytes(module.replace(b'8,4,8,', b'4,4,4,'))
    stack = make_stack(settings=SIMULATE)
    command = stack.command()
    stack.command = lambda: [lonely_program(tmp_path), *command[1:]]
    refuses(stack, 'binary compatible', 'make clean module')


def test_broken_configuration_file_is_cited_with_its_line(make_stack, tmp_path):
    conf = tmp_path / 'btcf.conf'
    conf.write_text('# mine\nmode = "simulate"\nhttp_port = "seventy"\n')
    refuses(make_stack(args=['--config', str(conf)]), f'{conf}:3', 'http_port')


def test_unknown_setting_and_option_are_named(make_stack):
    refuses(make_stack(settings={'moode': 'live'}), 'moode')
    refuses(make_stack(args=['--prot', '80']), '--prot')


def test_absent_history_is_named(make_stack):
    refuses(make_stack(history='/nonexistent/candles.csv'), '/nonexistent/candles.csv', 'No such file')
    refuses(make_stack(history='/tmp'), '/tmp', 'directory')


def test_history_without_candles_is_refused(make_stack, tmp_path):
    text = tmp_path / 'letter.csv'
    text.write_text('Dear Sir,\nI have no candles.\n')
    refuses(make_stack(history=str(text)), str(text))


def test_history_of_another_interval_leads_to_the_option(make_stack):
    minutes = os.path.join(SHARED, 'data', 'btcusd-1m-sample.csv')
    if not os.path.exists(minutes):
        pytest.skip(f'NO SAMPLE: {minutes} is absent')
    refuses(make_stack(history=minutes), '--interval')


def test_replay_without_history_is_refused(make_stack):
    refuses(make_stack(settings={'mode': 'replay'}), 'replay')


def test_second_up_on_the_same_state_names_the_first(make_stack):
    first = make_stack(settings=SIMULATE).start().wait_ready()
    second = Stack(state=first.state, port=free_port(), settings=SIMULATE)
    second.start()
    assert second.process.wait(20) == 1
    assert f'(process {first.process.pid})' in second.text(), second.text()
    assert 'STATE=' in second.text()
    assert first.get('/v1/forecasts/1d').status == 200
    assert first.stop() == 0


@ROOT_ONLY
def test_directory_on_the_way_that_the_account_cannot_enter_is_named(make_stack):
    locked = make_state_dir()
    os.chmod(locked, 0o700)
    refuses(make_stack(state=os.path.join(locked, 'deep', 'state')), locked, f'chmod o+x {locked}', 'STATE=')


@MOUNTS
def test_default_state_moves_when_the_account_cannot_reach_it(make_stack):
    locked = make_state_dir()
    os.chmod(locked, 0o700)
    stack = make_stack(state='/var/lib/btcf', settings=SIMULATE)
    command = [word for word in stack.command() if word not in ('--state', '/var/lib/btcf')]
    # /var/lib of its own, so that nothing real is touched; the directory that we stand in is out of reach.
    stack.command = lambda: ['unshare', '-m', 'sh', '-c',
                             f'mount -t tmpfs -o mode=755 none /var/lib && cd {locked} && exec "$@"', 'sh', *command]
    stack.start().wait_ready()
    assert stack.said('using /var/lib/btcf instead')
    assert stack.said(f'chmod o+x {locked}')
    assert stack.stop() == 0


@ROOT_ONLY
def test_state_of_somebody_else_is_not_taken(make_stack):
    stack = make_stack(settings=SIMULATE)
    os.mkdir(stack.state)
    os.chown(stack.state, pwd.getpwnam('nobody').pw_uid, -1)
    refuses(stack, stack.state, 'chown')


@ROOT_ONLY
def test_account_that_does_not_exist_comes_with_the_command_that_makes_it(make_stack):
    refuses(make_stack(settings={**SIMULATE, 'user': 'nosuchaccount'}), 'useradd --system nosuchaccount')
    refuses(make_stack(settings={**SIMULATE, 'user': 'root'}), 'root')


@MOUNTS
def test_full_disk_is_said_before_anything_is_begun(make_stack):
    stack = make_stack(settings=SIMULATE)
    command = stack.command()
    stack.command = lambda: ['unshare', '-m', 'sh', '-c',
                             f'mount -t tmpfs -o size=32m none {os.path.dirname(stack.state)} && exec "$@"', 'sh',
                             *command]
    refuses(stack, 'full', 'MiB', 'STATE=')


def test_state_in_the_way_of_a_file_is_said(make_stack):
    stack = make_stack(settings=SIMULATE)
    with open(stack.state, 'w', encoding='utf-8') as file:
        file.write('a file\n')
    refuses(stack, stack.state, 'not a directory')


def test_state_path_that_is_too_long_for_sockets_is_said(make_stack):
    refuses(make_stack(state='/tmp/' + 'long' * 30), 'run_dir', 'shorter')
