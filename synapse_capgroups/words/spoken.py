"""What the concierge and its doors say, in each language; its commands are the same in all."""

ENGLISH = {
    "greeting": (
        "Hello! I look after the groups on this server. Nobody can search for a group here; people "
        "come in by a join code or by invitation. Write “help” to see what I can do for you."
    ),
    "help": (
        "help – this list\n"
        "groups – your groups, with their numbers\n"
        "code <group> [7d] [20 uses] – a join code, as a picture and a link\n"
        "codes <group> – the group's join codes\n"
        "me [7d] [20 uses] – a code of your own: whoever scans it gets a chat with you\n"
        "revoke <code> – end a code\n"
        "name <group> <display name> – what you are called in the group\n"
        "who <group> – who came in how, for its admins\n"
        "remark <Matrix ID> <name> – what you call somebody; only you ever see it\n"
        "<group> is a number from “groups” or a part of the name."
    ),
    "hint": "I did not understand “{said}”. Write “help” to see what I can do.",
    "encrypted": "I cannot read encrypted messages. Please write to me in our unencrypted chat.",
    "text_only": "I can read only text. Write “help” to see what I can do.",
    "broken": "Something went wrong on this server. Try again in a minute.",
    "declined": (
        "I come into nobody's room. Our chat is one of mine; I have invited you to it, or you have "
        "it already."
    ),
    "too_often": "That was too often. I answer again in a while.",
    "dropped": "I read only {most} commands of a message; {dropped} more were left out.",
    "and_more": "… and more than I can write here.",
    "refused": "The server says no to that: {error}",
    "trial": (
        "This server is only trying out its rules for groups just now. Until that is over, I can "
        "do nothing for you."
    ),
    "no_groups": "You are in no group yet. Create one in your app, as any room.",
    "group_line": "{number}. {name} – {members} of {cap} members",
    "unnamed": "(no name)",
    "which_group": "Which group? Write its number from “groups”, or a part of its name.",
    "no_such_group": "None of your groups is “{said}”. Write “groups” to see them.",
    "several_groups": "Several of your groups are “{said}”. Write the number from “groups”.",
    "not_entitled": "In this group only its moderators can do that. Ask one of them.",
    "lifetime": "A code can live for {days} days at most. Write for instance “code 1 7d”.",
    "uses": "That is no number of uses. Write for instance “code 1 7d 20 uses”.",
    "closed": (
        "This group has {limit} members or more: there are no join codes any more. Its members can "
        "invite their friends."
    ),
    "too_many": "You have too many living join codes in this group. Revoke one first.",
    "suspended_sharer": "Your account is suspended: you cannot make join codes.",
    "replaced": "This group was replaced by a new one. Make the join code in the new group.",
    "code": (
        "Join code for {group}, valid until {until}{uses}:\n{url}\n"
        "To end it, write: revoke {code_id}"
    ),
    "for_uses": ", for {uses} people",
    "no_codes": "This group has no join codes. Write “code {group}” to make one.",
    "code_line": "{code_id} – {state}, by {sharer}, until {until}, used {uses} times",
    "alive": "alive",
    "code_expired": "expired",
    "code_used_up": "used up",
    "code_revoked": "withdrawn",
    "code_closed": "ended by the group's size",
    "suspended": "ended, as its sharer's account is suspended",
    "older_codes": "There are older ones: codes {group} page {page}",
    "no_such_code": "You have no such join code. Write “codes <group>” to see them.",
    "revoked": "The join code is withdrawn. Nobody can use it any more.",
    "which_name": "Write for instance: name 1 Uncle Bob",
    "name_too_long": "That name is too long.",
    "named": "In {group} you are now called {name}.",
    "who_creator": "{at}: {user} created the group",
    "who_invite": "{at}: {user} was invited by {by}",
    "who_code": "{at}: {user} came by the code {code} of {by}",
    "who_unenforced": "{at}: {user} came without the rules being enforced",
    "nobody": "There is no record of anybody yet.",
    "erased": "an erased account",
    "which_person": "Write for instance: remark @bob:example.com Uncle Bob",
    "remarked": "I call {user} “{name}” when I talk to you. Nobody else sees that.",
    "unremarked": "I have forgotten what you called {user}.",
    "valid_until": "Valid until {until}",
    "shared_by": "Shared by {sharer}",
    "personal_code": (
        "Your own code, valid until {until}: whoever scans it gets a chat with you, which you "
        "accept or not.\n{url}\nTo end it, write: revoke {code_id}"
    ),
    "which_me": "Write for instance: me 7d 20 uses",
    "personal_door_name": "Chat with {name}",
    "personal_door_topic": "Join this room and a chat with {name} opens. This room goes by itself.",
    "personal_door_notice": (
        "Your chat with {name} is in your list of chats. It begins as soon as they accept it."
    ),
    "door_name": "Join {group}",
    "door_nameless": "Join a group",
    "door_topic": "Join this room and you are in the group. This room then goes by itself.",
    "door_notice": (
        "You are in. Open {link} (if your account is on another server, accept the invitation "
        "there)"
    ),
    "door_link": "the group",
    "dead_code_expired": (
        "This join code has expired. Ask the person who gave it to you for a new one."
    ),
    "dead_code_used_up": (
        "This join code has been used as often as it may be. Ask the person who gave it to you for "
        "a new one."
    ),
    "dead_code_revoked": (
        "This join code was withdrawn. Ask the person who gave it to you for a new one, or a "
        "member of the group for an invitation."
    ),
    "dead_code_closed": (
        "The group has grown too large for join codes. Ask a friend who is in it for an invitation."
    ),
    "dead_suspended": (
        "The account that shared this join code is suspended. Ask another member of the group for "
        "an invitation or a new code."
    ),
}

GERMAN = {
    "greeting": (
        "Hallo! Ich kümmere mich um die Gruppen auf diesem Server. Niemand kann hier nach Gruppen "
        "suchen; man kommt mit einem Beitrittscode oder auf Einladung herein. Schreib „help“, um "
        "zu sehen, was ich für dich tun kann."
    ),
    "help": (
        "help – diese Liste\n"
        "groups – deine Gruppen mit ihren Nummern\n"
        "code <Gruppe> [7d] [20 uses] – ein Beitrittscode als Bild und Link\n"
        "codes <Gruppe> – die Beitrittscodes der Gruppe\n"
        "me [7d] [20 uses] – dein eigener Code: Wer ihn scannt, bekommt einen Chat mit dir\n"
        "revoke <Code> – einen Code beenden\n"
        "name <Gruppe> <Anzeigename> – wie du in der Gruppe heißt\n"
        "who <Gruppe> – wer wie hereinkam, für ihre Admins\n"
        "remark <Matrix-ID> <Name> – wie du jemanden nennst; nur du siehst das je\n"
        "<Gruppe> ist eine Nummer aus „groups“ oder ein Teil des Namens."
    ),
    "hint": "„{said}“ habe ich nicht verstanden. Schreib „help“, um zu sehen, was ich kann.",
    "encrypted": (
        "Ich kann verschlüsselte Nachrichten nicht lesen. Bitte schreib mir in unserem "
        "unverschlüsselten Chat."
    ),
    "text_only": "Ich kann nur Text lesen. Schreib „help“, um zu sehen, was ich kann.",
    "broken": "Auf diesem Server ist etwas schiefgegangen. Versuch es in einer Minute noch einmal.",
    "declined": (
        "Ich komme in keinen Raum. Unser Chat ist einer von meinen; ich habe dich dorthin "
        "eingeladen, oder du hast ihn schon."
    ),
    "too_often": "Das war zu oft. Ich antworte in einer Weile wieder.",
    "dropped": ("Ich lese nur {most} Befehle einer Nachricht; {dropped} weitere sind weggefallen."),
    "and_more": "… und mehr, als ich hier schreiben kann.",
    "refused": "Der Server lässt das nicht zu: {error}",
    "trial": (
        "Dieser Server probiert seine Regeln für Gruppen gerade nur aus. Bis das vorbei ist, kann "
        "ich nichts für dich tun."
    ),
    "no_groups": "Du bist noch in keiner Gruppe. Leg in deiner App eine an, wie jeden Raum.",
    "group_line": "{number}. {name} – {members} von {cap} Mitgliedern",
    "unnamed": "(ohne Namen)",
    "which_group": "Welche Gruppe? Schreib ihre Nummer aus „groups“ oder einen Teil des Namens.",
    "no_such_group": "Keine deiner Gruppen ist „{said}“. Schreib „groups“, um sie zu sehen.",
    "several_groups": "Mehrere deiner Gruppen sind „{said}“. Schreib die Nummer aus „groups“.",
    "not_entitled": "Das können in dieser Gruppe nur die Moderatoren. Frag jemanden von ihnen.",
    "lifetime": "Ein Code kann höchstens {days} Tage leben. Schreib zum Beispiel „code 1 7d“.",
    "uses": "Das ist keine Anzahl. Schreib zum Beispiel „code 1 7d 20 uses“.",
    "closed": (
        "Diese Gruppe hat {limit} Mitglieder oder mehr: Es gibt keine Beitrittscodes mehr. Ihre "
        "Mitglieder können ihre Freunde einladen."
    ),
    "too_many": "Du hast zu viele lebende Beitrittscodes in dieser Gruppe. Beende erst einen.",
    "suspended_sharer": "Dein Konto ist gesperrt: Du kannst keine Beitrittscodes machen.",
    "replaced": (
        "Diese Gruppe wurde durch eine neue ersetzt. Mach den Beitrittscode in der neuen Gruppe."
    ),
    "code": (
        "Beitrittscode für {group}, gültig bis {until}{uses}:\n{url}\n"
        "Zum Beenden schreib: revoke {code_id}"
    ),
    "for_uses": ", für {uses} Personen",
    "no_codes": "Diese Gruppe hat keine Beitrittscodes. Schreib „code {group}“ für einen.",
    "code_line": "{code_id} – {state}, von {sharer}, bis {until}, {uses}-mal benutzt",
    "alive": "gültig",
    "code_expired": "abgelaufen",
    "code_used_up": "aufgebraucht",
    "code_revoked": "zurückgezogen",
    "code_closed": "beendet, weil die Gruppe zu groß ist",
    "suspended": "beendet, weil das Konto gesperrt ist, das ihn geteilt hat",
    "older_codes": "Es gibt ältere: codes {group} page {page}",
    "no_such_code": (
        "Diesen Beitrittscode hast du nicht. Schreib „codes <Gruppe>“, um sie zu sehen."
    ),
    "revoked": "Der Beitrittscode ist zurückgezogen. Niemand kann ihn mehr benutzen.",
    "which_name": "Schreib zum Beispiel: name 1 Onkel Bob",
    "name_too_long": "Dieser Name ist zu lang.",
    "named": "In {group} heißt du jetzt {name}.",
    "who_creator": "{at}: {user} hat die Gruppe angelegt",
    "who_invite": "{at}: {user} wurde von {by} eingeladen",
    "who_code": "{at}: {user} kam mit dem Code {code} von {by}",
    "who_unenforced": "{at}: {user} kam, ohne dass die Regeln durchgesetzt wurden",
    "nobody": "Es ist noch niemand verzeichnet.",
    "erased": "(gelöschtes Konto)",
    "which_person": "Schreib zum Beispiel: remark @bob:example.com Onkel Bob",
    "remarked": "Dir gegenüber nenne ich {user} „{name}“. Sonst sieht das niemand.",
    "unremarked": "Wie du {user} genannt hast, habe ich vergessen.",
    "valid_until": "Gültig bis {until}",
    "shared_by": "Geteilt von {sharer}",
    "personal_code": (
        "Dein eigener Code, gültig bis {until}: Wer ihn scannt, bekommt einen Chat mit dir, den du "
        "annimmst oder nicht.\n{url}\nZum Beenden schreib: revoke {code_id}"
    ),
    "which_me": "Schreib zum Beispiel: me 7d 20 uses",
    "personal_door_name": "Chat mit {name}",
    "personal_door_topic": (
        "Tritt diesem Raum bei, und ein Chat mit {name} öffnet sich. Der Raum verschwindet dann "
        "von selbst."
    ),
    "personal_door_notice": (
        "Dein Chat mit {name} ist in deiner Chatliste. Er beginnt, sobald die Einladung angenommen "
        "ist."
    ),
    "door_name": "Beitreten: {group}",
    "door_nameless": "Einer Gruppe beitreten",
    "door_topic": (
        "Tritt diesem Raum bei, und du bist in der Gruppe. Der Raum verschwindet dann von selbst."
    ),
    "door_notice": (
        "Du bist drin. Öffne {link} (mit einem Konto auf einem anderen Server: nimm dort die "
        "Einladung an)"
    ),
    "door_link": "die Gruppe",
    "dead_code_expired": (
        "Dieser Beitrittscode ist abgelaufen. Bitte die Person, von der du ihn hast, um einen "
        "neuen."
    ),
    "dead_code_used_up": (
        "Dieser Beitrittscode ist aufgebraucht. Bitte die Person, von der du ihn hast, um einen "
        "neuen."
    ),
    "dead_code_revoked": (
        "Dieser Beitrittscode wurde zurückgezogen. Bitte die Person, von der du ihn hast, um einen "
        "neuen oder ein Mitglied der Gruppe um eine Einladung."
    ),
    "dead_code_closed": (
        "Die Gruppe ist zu groß für Beitrittscodes geworden. Bitte jemanden um eine Einladung, mit "
        "dem du befreundet bist und der Mitglied ist."
    ),
    "dead_suspended": (
        "Das Konto, das diesen Beitrittscode geteilt hat, ist gesperrt. Bitte ein anderes Mitglied "
        "der Gruppe um eine Einladung oder einen neuen Code."
    ),
}

CHINESE = {
    "greeting": (
        "你好！我负责管理这台服务器上的群聊。这里的群无法被搜索到，只能通过加群码或邀请加入。"
        "发送“help”查看我能做什么。"
    ),
    "help": (
        "help – 显示本列表\n"
        "groups – 你的群及其编号\n"
        "code <群> [7d] [20 uses] – 生成加群码（图片和链接）\n"
        "codes <群> – 查看该群的加群码\n"
        "me [7d] [20 uses] – 你的个人二维码，扫码即可和你聊天\n"
        "revoke <码> – 作废一个码\n"
        "name <群> <昵称> – 修改你在该群的昵称\n"
        "who <群> – 查看成员如何入群（仅限群管理员）\n"
        "remark <Matrix ID> <备注名> – 给某人设置备注名，只有你能看到\n"
        "<群> 可以是“groups”中的编号，也可以是群名的一部分。"
    ),
    "hint": "我没看懂“{said}”。发送“help”查看我能做什么。",
    "encrypted": "我无法读取加密消息。请在我们的未加密聊天中给我发消息。",
    "text_only": "我只能读取文字。发送“help”查看我能做什么。",
    "broken": "服务器出了点问题，请稍后再试。",
    "declined": "我不会进入别人的房间。我们有专门的聊天：我已邀请你，或者你已经有了。",
    "too_often": "操作太频繁了，请稍后再试，我会继续回答。",
    "dropped": "一条消息我只读取 {most} 条命令，其余 {dropped} 条已忽略。",
    "and_more": "……内容太多，这里写不下了。",
    "refused": "服务器拒绝了此操作：{error}",
    "trial": "这台服务器目前只是在试用群聊规则。试用结束之前，我无法为你做任何事。",
    "no_groups": "你还没有加入任何群。像创建普通聊天室一样在应用里创建一个吧。",
    "group_line": "{number}. {name} – {members}/{cap} 人",
    "unnamed": "（未命名）",
    "which_group": "哪个群？请发送“groups”中的编号或群名的一部分。",
    "no_such_group": "你没有名为“{said}”的群。发送“groups”查看你的群。",
    "several_groups": "有多个群符合“{said}”。请发送“groups”中的编号。",
    "not_entitled": "在这个群里只有管理员可以这样做。请联系其中一位。",
    "lifetime": "加群码最长有效 {days} 天。例如发送“code 1 7d”。",
    "uses": "使用次数不正确。例如发送“code 1 7d 20 uses”。",
    "closed": "该群已有 {limit} 人或更多，不能再使用加群码。群成员可以邀请自己的好友。",
    "too_many": "你在该群的有效加群码太多了，请先作废一个。",
    "suspended_sharer": "你的账号已被停用，无法生成加群码。",
    "replaced": "该群已被新群取代，请在新群中生成加群码。",
    "code": "{group} 的加群码，有效期至 {until}{uses}：\n{url}\n如需作废，请发送：revoke {code_id}",
    "for_uses": "，限 {uses} 人使用",
    "no_codes": "该群还没有加群码。发送“code {group}”生成一个。",
    "code_line": "{code_id} – {state}，由 {sharer} 生成，有效期至 {until}，已使用 {uses} 次",
    "alive": "有效",
    "code_expired": "已过期",
    "code_used_up": "已用完",
    "code_revoked": "已作废",
    "code_closed": "因群人数过多而失效",
    "suspended": "已失效，因分享者的账号已被停用",
    "older_codes": "还有更早的加群码：codes {group} page {page}",
    "no_such_code": "你没有这个加群码。发送“codes <群>”查看。",
    "revoked": "该加群码已作废，任何人都不能再使用。",
    "which_name": "例如发送：name 1 鲍勃叔叔",
    "name_too_long": "这个昵称太长了。",
    "named": "你在 {group} 中的昵称现在是 {name}。",
    "who_creator": "{at}：{user} 创建了该群",
    "who_invite": "{at}：{user} 由 {by} 邀请入群",
    "who_code": "{at}：{user} 通过 {by} 的加群码 {code} 入群",
    "who_unenforced": "{at}：{user} 在规则未启用时入群",
    "nobody": "暂无记录。",
    "erased": "（已注销的账号）",
    "which_person": "例如发送：remark @bob:example.com 鲍勃叔叔",
    "remarked": "和你聊天时，我会称 {user} 为“{name}”。其他人看不到。",
    "unremarked": "已删除你给 {user} 设置的备注名。",
    "valid_until": "有效期至 {until}",
    "shared_by": "由 {sharer} 分享",
    "personal_code": (
        "你的个人二维码，有效期至 {until}：扫码的人会和你建立一个聊天，由你决定是否接受。"
        "\n{url}\n如需作废，请发送：revoke {code_id}"
    ),
    "which_me": "例如发送：me 7d 20 uses",
    "personal_door_name": "和 {name} 聊天",
    "personal_door_topic": "加入此房间即可和 {name} 聊天。此房间稍后会自动消失。",
    "personal_door_notice": "你和 {name} 的聊天已在聊天列表中，对方接受后即可开始。",
    "door_name": "加入 {group}",
    "door_nameless": "加入群聊",
    "door_topic": "加入此房间即可进群。此房间稍后会自动消失。",
    "door_notice": "你已入群。打开{link} （如果你的账号在其他服务器，请在那里接受邀请）",
    "door_link": "群聊",
    "dead_code_expired": "此加群码已过期。请向给你此码的人索取新的加群码。",
    "dead_code_used_up": "此加群码的使用次数已达上限。请向给你此码的人索取新的加群码。",
    "dead_code_revoked": "此加群码已作废。请向给你此码的人索取新的加群码，或请群成员邀请你。",
    "dead_code_closed": "该群人数过多，不能再使用加群码。请让已在群里的好友邀请你。",
    "dead_suspended": "分享此加群码的账号已被停用。请向其他群成员索取邀请或新的加群码。",
}

LANGUAGES = {"en": ENGLISH, "de": GERMAN, "zh-Hans": CHINESE}
