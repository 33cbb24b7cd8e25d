"""The words of which generated names are made, by language (`names.on_arrival: pseudonym`)."""

from collections.abc import Collection

from synapse_capgroups.rules.names import pseudonym

ENGLISH = (
    "Able Amber Brave Bright Calm Cheerful Clever Cosy Curious Daring Eager Fair Fleet Gentle Glad "
    "Golden Happy Hardy Honest Jolly Keen Kind Lively Loyal Lucky Merry Mild Modest Nimble Noble "
    "Patient Plucky Proud Quick Quiet Ready Silver Sleepy Smiling Snug Sturdy Sunny Swift Tidy "
    "True Warm Wise Witty",
    "Badger Beaver Bison Crane Cricket Deer Dolphin Dove Eagle Elk Falcon Finch Fox Gecko Goose "
    "Hare Hedgehog Heron Ibex Jay Kestrel Lark Lemur Lynx Magpie Marten Mole Moose Newt Otter Owl "
    "Panda Penguin Puffin Quail Raven Robin Salmon Seal Sparrow Squirrel Stork Swan Tiger Toucan "
    "Turtle Walrus Wren",
)
GERMAN = (  # All nouns are masculine, so that every adjective goes with every noun.
    "Braver Bunter Cleverer Eifriger Fairer Feiner Fescher Findiger Flinker Flotter Freier Froher "
    "Frecher Fröhlicher Geduldiger Gelassener Goldener Gutmütiger Heiterer Höflicher Kecker Kluger "
    "Kühner Leiser Lieber Listiger Lustiger Milder Munterer Mutiger Netter Neugieriger Pfiffiger "
    "Rascher Ruhiger Sanfter Scharfer Schlauer Schneller Silberner Sonniger Stiller Stolzer "
    "Tapferer Treuer Wacher Weiser Wendiger Zarter",
    "Adler Albatros Bär Biber Bussard Dachs Delfin Elch Esel Falke Fasan Feldhase Fink Fisch "
    "Flamingo Frosch Fuchs Gecko Hamster Hase Hecht Hirsch Igel Iltis Kakadu Karpfen Kauz Kiebitz "
    "Koala Kolibri Kormoran Kranich Lachs Löwe Luchs Marder Maulwurf Otter Panda Papagei Pelikan "
    "Pinguin Rabe Reiher Salamander Schwan Seehund Specht Sperling Star Steinbock Storch Tiger Wal "
    "Waschbär Wolf Zander Zeisig",
)
CHINESE = (
    "勇敢 快乐 聪明 温柔 安静 机灵 热情 善良 勤劳 乐观 从容 可爱 坚强 大方 幽默 好奇 开朗 诚实 "
    "耐心 敏捷 淡定 微笑 阳光 谦虚 灵巧 活泼 沉着 真诚 自在 悠闲 慷慨 稳重 潇洒 细心 友善 豪爽",
    "狐狸 熊猫 海豚 松鼠 白鹤 麻雀 老虎 兔子 企鹅 海龟 山猫 小鹿 喜鹊 燕子 骆驼 刺猬 河狸 天鹅 "
    "雄鹰 羚羊 鹦鹉 考拉 水獭 鲸鱼 海豹 蜻蜓 蝴蝶 百灵 云雀 斑马 长颈鹿 大象 浣熊 袋鼠 仙鹤 金鱼",
)
_LANGUAGES = {
    "en": (ENGLISH, "{adjective} {noun}"),
    "de": (GERMAN, "{adjective} {noun}"),
    "zh-Hans": (CHINESE, "{adjective}的{noun}"),
}


def a_pseudonym(language: str, taken: Collection[str]) -> str:
    """A name in one of the server's languages that is not among those taken."""
    (adjectives, nouns), pattern = _LANGUAGES[language]
    return pseudonym((adjectives.split(), nouns.split()), pattern, taken)
