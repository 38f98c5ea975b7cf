"""Pages and files that must not drift away from the code."""
import os
import re
import shutil
import subprocess

import pytest

from stack import BTCF, ROOT


def read(path):
    with open(os.path.join(ROOT, path), encoding='utf-8') as file:
        return file.read()


def settings():
    """[(name, type, default, minimum, maximum, unit, help)] of settings.def."""
    found = re.findall(r'^SETTING\((\w+), (\w+), ("[^"]*"|[^,]+), ([^,]+), ([^,]+), "([^"]*)",\s*\w+,\s*"([^"]*)"\)',
                       read('engine/core/settings.def'), re.M)
    assert len(found) == len(re.findall(r'^SETTING\(', read('engine/core/settings.def'), re.M))
    return found


def row(name, kind, default, minimum, maximum, unit, text):
    """The setting's line in docs/OPERATIONS.md."""
    value = {'TEXT': f'`{default}`', 'SECRET': 'empty', 'BOOL': f'`{default}`'}.get(kind, f'`{default}`')
    value = 'empty' if value == '`""`' else value
    limits = {'BOOL': 'true, false', 'TEXT': '', 'SECRET': 'secret'}.get(kind, f'{minimum} to {maximum}')
    return f'| `{name}` | {value} | {" ".join(word for word in (limits, unit) if word)} | {text} |'


def test_operations_lists_every_setting_as_it_is():
    page = read('docs/OPERATIONS.md')
    missing = [row(*one) for one in settings() if row(*one) not in page]
    assert not missing, 'these lines belong into docs/OPERATIONS.md:\n' + '\n'.join(missing)
    named = set(re.findall(r'^\| `(\w+)` \|.*\|.*\|.*\|$', page.split('## Settings')[1].split('\n## ')[0], re.M))
    assert named == {one[0] for one in settings()}


def test_operations_names_what_a_reload_changes():
    section = read('docs/OPERATIONS.md').split('### Reading settings again')[1].split('take effect at once')[0]
    reloadable = re.findall(r'^SETTING\((\w+),.*, true, "[^"]*"\)$', read('engine/core/settings.def'), re.M)
    assert set(re.findall(r'`(\w+)`', section)) == set(reloadable)


def config_check(path):
    return subprocess.run([BTCF, 'config', 'check', '--config', path], capture_output=True, text=True, check=False)


def test_shipped_configuration_is_accepted_as_it_is_and_with_every_line_in_force(tmp_path):
    shipped = os.path.join(ROOT, 'conf', 'btcf.conf')
    assert config_check(shipped).returncode == 0, config_check(shipped).stderr
    secret = tmp_path / 'database_url'
    secret.write_text('host=/nowhere\n')
    text = re.sub(r'^#(\w+ = )', r'\1', read('conf/btcf.conf'), flags=re.M)
    everything = tmp_path / 'btcf.conf'
    key = tmp_path / 'secret_key'
    key.write_text('0123456789abcdef' * 4 + '\n')
    key.chmod(0o600)
    everything.write_text(text.replace('/etc/btcf/database_url', str(secret)).replace('/etc/btcf/secret_key', str(key)))
    assert config_check(everything).returncode == 0, config_check(everything).stderr


def test_shipped_configuration_shows_every_setting_with_its_default():
    shown = dict(re.findall(r'^#(\w+) = (.*)$', read('conf/btcf.conf'), re.M))
    for name, kind, default, *_ in settings():
        if kind != 'SECRET':
            assert shown.get(name) == default, name


@pytest.mark.skipif(shutil.which('systemd-analyze') is None, reason='NO SYSTEMD-ANALYZE: units were not checked')
def test_systemd_finds_nothing_wrong_with_the_units(tmp_path):
    units = sorted(os.listdir(os.path.join(ROOT, 'conf', 'systemd')))
    assert 'btcf-engine.service' in units
    for name in units:
        (tmp_path / name).write_text(read(f'conf/systemd/{name}').replace('/usr/local/bin/btcf', BTCF))
    run = subprocess.run(['systemd-analyze', 'verify', '--man=no', *(str(tmp_path / name) for name in units)],
                         capture_output=True, text=True, check=False,
                         env={**os.environ, 'SYSTEMD_UNIT_PATH': f'{tmp_path}:'})
    ours = [line for line in run.stderr.splitlines() if 'btcf' in line]
    assert run.returncode == 0 and not ours, run.stderr


def test_readme_names_only_files_that_exist():
    for target in re.findall(r'\]\((?!http)([^)#]+)', read('README.md')):
        assert os.path.exists(os.path.join(ROOT, target)), target


def test_readme_names_only_commands_that_exist():
    listed = subprocess.run([BTCF, 'help'], capture_output=True, text=True, check=True).stdout
    for name in set(re.findall(r'\bbtcf ([a-z]+) {2,}', read('README.md'))):
        assert re.search(rf'^  {name} ', listed, re.M), name
