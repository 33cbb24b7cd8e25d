"""Every word of the join page, by language, and which language a browser gets.

Each language has the same keys. Words in braces are filled in by join.js, which also puts what
people have chosen (a group's name, a sharer's name) there as text, never as markup.
"""

# ruff: noqa: RUF001 - Chinese has punctuation of its own.

import re

WORDS: dict[str, dict[str, str]] = {
    "en": {
        "title": "Join a group",
        "checking": "Checking the code…",
        # A living code.
        "unnamed": "A group without a name",
        "members": "{members} of {cap} members",
        "shared_by": "Shared by {sharer}",
        "valid_until": "Valid until {date}, or until the group has {code_limit} members",
        "chat_with": "Chat with {sharer}",
        "valid_until_date": "Valid until {date}",
        "ways": "Ways to join",
        "open_app": "Open in your Matrix app",
        "open_app_hint": "Nothing happens? Then take one of the other ways.",
        "open_element": "Element on the web",
        "open_matrix_to": "Choose an app on matrix.to",
        "address": "Or enter this address in your app",
        "copy": "Copy address",
        "copied": "The address is copied.",
        "copy_failed": "The address is selected. Copy it with your device's own menu or keys.",
        "how_title": "How it works",
        "how": (
            "Your app offers you to join. Do that to come in. You need a Matrix account. Inside, "
            "you can have a name just for this group: in Element with /myroomnick, in any app by "
            "asking the server's groups account."
        ),
        # A dead code: what became of it, and what to do.
        "code_expired": "This code has expired",
        "code_used_up": "This code is used up",
        "code_revoked": "This code was withdrawn",
        "code_closed": "This group is too large for codes",
        "suspended": "This code no longer works",
        "suspended_why": "The account that shared it is suspended.",
        "suspended_do": "Ask another member of the group for an invitation or a new code.",
        "code_used_up_why": "It has let in as many people as it may.",
        "code_closed_do": (
            "Only a friend who is a member can invite you now. Start a direct chat with a member "
            "you know and ask them for an invitation."
        ),
        "ask_sharer": "Ask {sharer} for a new one.",
        "ask_giver": "Ask whoever gave it to you for a new one.",
        "to_group": "To the group {group}",
        # No answer about a code.
        "unknown": "No such code",
        "unknown_do": "Scan the QR code again, or check that you have the whole link.",
        "no_code": "The code is missing",
        "no_code_do": (
            "The code is the part of the link after #. Scan the QR code again, or ask for the "
            "whole link."
        ),
        "too_many": "Too many tries",
        "too_many_do": "Wait a moment, then try again.",
        "unreachable": "No connection",
        "unreachable_do": "The server did not answer. Check your connection, then try again.",
        "broken": "The code could not be checked",
        "broken_do": (
            "The server has a problem. Try again in a minute; if it stays so, tell the server's "
            "admin."
        ),
        "retry": "Try again",
        # Without script.
        "no_script": "Without JavaScript this page cannot show the group. You can still join:",
        "no_script_code": "Look at this page's address: the part after # is the code.",
        "no_script_address": (
            "In your Matrix app, choose to join a room by its address, and enter this, with the "
            "code in place of CODE:"
        ),
        "code_here": "CODE",
    },
    "zh-Hans": {
        "title": "加入群组",
        "checking": "正在检查入群码…",
        "unnamed": "未命名的群组",
        "members": "已有 {members} 位成员，最多 {cap} 位",
        "shared_by": "分享者：{sharer}",
        "valid_until": "有效期至 {date}；群组达到 {code_limit} 位成员时提前失效",
        "chat_with": "和 {sharer} 聊天",
        "valid_until_date": "有效期至 {date}",
        "ways": "加入方式",
        "open_app": "在 Matrix 应用中打开",
        "open_app_hint": "没有反应？请改用其他方式。",
        "open_element": "Element 网页版",
        "open_matrix_to": "在 matrix.to 上选择应用",
        "address": "或在应用中输入此地址",
        "copy": "复制地址",
        "copied": "地址已复制。",
        "copy_failed": "地址已选中，请用设备自带的菜单或快捷键复制。",
        "how_title": "如何加入",
        "how": (
            "应用会提示您加入，点按即可。您需要一个 Matrix 账号。入群后，您可以设置只在本群使用的"
            "昵称：在 Element 中使用 /myroomnick，在任何应用中都可以联系服务器的群管家账号。"
        ),
        "code_expired": "此入群码已过期",
        "code_used_up": "此入群码已用完",
        "code_revoked": "此入群码已被撤回",
        "code_closed": "此群组不再接受入群码",
        "suspended": "此入群码已失效",
        "suspended_why": "分享此码的账号已被停用。",
        "suspended_do": "请向其他群成员索取邀请或新的入群码。",
        "code_used_up_why": "它的使用次数已达上限。",
        "code_closed_do": (
            "群组人数较多，现在只有已入群的好友才能邀请您。请与您认识的成员开始私聊，请对方邀请您。"
        ),
        "ask_sharer": "请向 {sharer} 索取新的入群码。",
        "ask_giver": "请向给您此码的人索取新的入群码。",
        "to_group": "群组：{group}",
        "unknown": "没有这个入群码",
        "unknown_do": "请重新扫描二维码，或检查链接是否完整。",
        "no_code": "缺少入群码",
        "no_code_do": "入群码是链接中 # 后面的部分。请重新扫描二维码，或索取完整的链接。",
        "too_many": "尝试次数过多",
        "too_many_do": "请稍等片刻再试。",
        "unreachable": "无法连接",
        "unreachable_do": "服务器没有回应。请检查网络连接后重试。",
        "broken": "无法检查入群码",
        "broken_do": "服务器出现问题。请过一分钟再试；如果仍然如此，请告知服务器管理员。",
        "retry": "重试",
        "no_script": "未启用 JavaScript，本页无法显示群组。您仍可这样加入：",
        "no_script_code": "查看本页的网址：# 后面的部分就是入群码。",
        "no_script_address": (
            "在 Matrix 应用中选择按地址加入聊天室，输入以下地址，并换上您的入群码："
        ),
        "code_here": "入群码",
    },
    "de": {
        "title": "Einer Gruppe beitreten",
        "checking": "Der Code wird geprüft …",
        "unnamed": "Gruppe ohne Namen",
        "members": "{members} von {cap} Mitgliedern",
        "shared_by": "Geteilt von {sharer}",
        "valid_until": "Gültig bis {date} oder bis die Gruppe {code_limit} Mitglieder hat",
        "chat_with": "Chat mit {sharer}",
        "valid_until_date": "Gültig bis {date}",
        "ways": "Wege in die Gruppe",
        "open_app": "In deiner Matrix-App öffnen",
        "open_app_hint": "Nichts passiert? Dann nimm einen der anderen Wege.",
        "open_element": "Element im Web",
        "open_matrix_to": "App auf matrix.to wählen",
        "address": "Oder gib diese Adresse in deiner App ein",
        "copy": "Adresse kopieren",
        "copied": "Die Adresse ist kopiert.",
        "copy_failed": (
            "Die Adresse ist markiert. Kopiere sie über das Menü oder die Tasten deines Geräts."
        ),
        "how_title": "So geht es",
        "how": (
            "Deine App bietet dir an beizutreten. Damit kommst du hinein. Du brauchst ein "
            "Matrix-Konto. Drinnen kannst du einen Namen nur für diese Gruppe haben: in Element "
            "mit /myroomnick, in jeder App über das Gruppenkonto des Servers."
        ),
        "code_expired": "Dieser Code ist abgelaufen",
        "code_used_up": "Dieser Code ist aufgebraucht",
        "code_revoked": "Dieser Code wurde zurückgezogen",
        "code_closed": "Diese Gruppe ist zu groß für Codes",
        "suspended": "Dieser Code gilt nicht mehr",
        "suspended_why": "Das Konto, das ihn geteilt hat, ist gesperrt.",
        "suspended_do": "Bitte ein anderes Mitglied der Gruppe um eine Einladung oder einen Code.",
        "code_used_up_why": "Er hat so viele Leute eingelassen, wie er darf.",
        "code_closed_do": (
            "Jetzt kann dich nur noch jemand einladen, mit dem du befreundet bist und der Mitglied "
            "ist. Beginne einen Direktchat mit einem Mitglied, das du kennst, und bitte um eine "
            "Einladung."
        ),
        "ask_sharer": "Bitte {sharer} um einen neuen.",
        "ask_giver": "Bitte die Person, von der du ihn hast, um einen neuen.",
        "to_group": "Zur Gruppe {group}",
        "unknown": "Diesen Code gibt es nicht",
        "unknown_do": "Scanne den QR-Code noch einmal oder prüfe, ob der Link vollständig ist.",
        "no_code": "Der Code fehlt",
        "no_code_do": (
            "Der Code ist der Teil des Links nach #. Scanne den QR-Code noch einmal oder bitte um "
            "den vollständigen Link."
        ),
        "too_many": "Zu viele Versuche",
        "too_many_do": "Warte einen Moment und versuche es dann noch einmal.",
        "unreachable": "Keine Verbindung",
        "unreachable_do": (
            "Der Server hat nicht geantwortet. Prüfe deine Verbindung und versuche es noch einmal."
        ),
        "broken": "Der Code konnte nicht geprüft werden",
        "broken_do": (
            "Der Server hat ein Problem. Versuche es in einer Minute noch einmal; wenn es so "
            "bleibt, sag es dem Admin des Servers."
        ),
        "retry": "Noch einmal versuchen",
        "no_script": (
            "Ohne JavaScript kann diese Seite die Gruppe nicht zeigen. Beitreten kannst du so:"
        ),
        "no_script_code": "Sieh dir die Adresse dieser Seite an: der Teil nach # ist der Code.",
        "no_script_address": (
            "Wähle in deiner Matrix-App, einem Raum über seine Adresse beizutreten, und gib dies "
            "ein, mit dem Code an der Stelle von CODE:"
        ),
        "code_here": "CODE",
    },
}

DEFAULT = "en"

_LONGEST_HEADER = 1000  # A browser sends a tenth of it. 16 kB would take milliseconds to read.

_RANGE = re.compile(
    r"(?P<tag>[A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*)"
    r"(?:\s*;\s*[qQ]\s*=\s*(?P<q>0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?))?"
)


def language(accept_language: str) -> str:
    """The language of the page for this `Accept-Language` header: a key of `WORDS`."""
    best, weight = DEFAULT, 0.0
    for part in accept_language[:_LONGEST_HEADER].split(","):
        wanted = _RANGE.fullmatch(part.strip())
        if wanted is None:
            continue
        found = _spoken(wanted["tag"].lower())
        q = float(wanted["q"] or 1)
        if found is not None and q > weight:
            best, weight = found, q
    return best


def _spoken(tag: str) -> str | None:
    """Which of our languages this tag means. Traditional Chinese (zh-TW, zh-Hant) is none."""
    primary = tag.split("-", 1)[0]
    if primary == "zh":
        simplified = tag in ("zh", "zh-cn", "zh-sg") or f"{tag}-".startswith("zh-hans-")
        return "zh-Hans" if simplified else None
    return primary if primary in WORDS else None
