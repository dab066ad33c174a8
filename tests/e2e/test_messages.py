"""Messages in Korean or English, as the environment asks; also where the machine has no Korean locale."""
import pytest

UNSET = {"LC_ALL": None}


@pytest.mark.parametrize(("environment", "korean"), [
    ({"LC_ALL": "ko_KR.UTF-8"}, True),
    ({"LC_ALL": "ko"}, True),
    ({"LC_ALL": "C.UTF-8"}, False),
    ({"LC_ALL": "en_US.UTF-8"}, False),
    (UNSET, False),
    (UNSET | {"LANG": "ko_KR.UTF-8"}, True),
    (UNSET | {"LANG": "ko_KR.EUC-KR"}, True),
    (UNSET | {"LANG": "ko_KR.UTF-8", "LC_MESSAGES": "en_US.UTF-8"}, False),
    (UNSET | {"LANG": "en_US.UTF-8", "LC_MESSAGES": "ko_KR.UTF-8"}, True),
    ({"LC_ALL": "en_US.UTF-8", "LANG": "ko_KR.UTF-8"}, False),
    ({"LC_ALL": "", "LANG": "ko_KR.UTF-8"}, True),
    ({"LC_ALL": "en_US.UTF-8", "LANGUAGE": "ko"}, True),
    ({"LC_ALL": "en_US.UTF-8", "LANGUAGE": "fr:ko:en"}, True),
    ({"LC_ALL": "ko_KR.UTF-8", "LANGUAGE": "en:ko"}, False),
    ({"LC_ALL": "ko_KR.UTF-8", "LANGUAGE": "fr"}, False),
    ({"LC_ALL": "C.UTF-8", "LANGUAGE": "ko"}, False),
    ({"LC_ALL": "POSIX", "LANG": "ko_KR.UTF-8"}, False),
])
def test_the_language_is_the_environments(dure, tmp_path, environment, korean):
    (tmp_path / "file").write_text("")
    result = dure("inspect", tmp_path / "file" / "model", env=environment)
    assert ("디렉터리가 아닙니다" in result.message) == korean
    assert ("Not a directory" in result.message) != korean
