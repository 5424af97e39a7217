//! The tables of departments, kinds and complements; brands are generated in [`super::assortment`].

use super::kinds::{Buyer, Complement, Department, Kind, Pace, Season};

use Buyer::{Anyone, Baby, Cat, Dog, Men, Women};
use Pace::{Cycle, Once, Whim};
use Season::{Always, DragonBoat, MidAutumn, Mild, SpringFestival, Summer, Winter};

const fn department(name: &'static str, weight: f32, styles: [&'static str; 6]) -> Department {
    Department { name, weight, styles }
}

/// The departments. Styles are, in order: plain, organic, luxurious, playful, Chinese, technical.
pub const DEPARTMENTS: [Department; 12] = [
    department("母婴", 1.0, ["基础", "有机棉", "臻享", "萌趣", "国风", "科学"]),
    department("美妆护肤", 1.1, ["清爽", "植萃", "奢润", "甜系", "东方草本", "实验室"]),
    department("个人护理", 1.2, ["日常", "天然", "香氛", "果味", "汉方", "专研"]),
    department("休闲零食", 1.6, ["原味", "轻食", "精选", "爆趣", "国潮", "高蛋白"]),
    department("粮油调味", 1.3, ["家常", "有机", "珍品", "趣味", "古法", "零添加"]),
    department("生鲜冷冻", 1.3, ["鲜选", "生态", "甄选", "缤纷", "老字号", "锁鲜"]),
    department("酒水饮料", 1.1, ["经典", "自然", "典藏", "气泡感", "国韵", "零糖"]),
    department("家庭清洁", 1.1, ["实惠", "植物", "香水", "彩趣", "草本", "强效"]),
    department("宠物生活", 0.8, ["全价", "天然", "臻鲜", "逗趣", "本草", "营养师"]),
    department("数码家电", 0.7, ["标准", "环保", "旗舰", "潮玩", "国风", "智能"]),
    department("家居家纺", 0.7, ["简约", "原木", "轻奢", "童趣", "新中式", "抑菌"]),
    department("服饰运动", 0.9, ["基础款", "棉麻", "高端", "印花", "国潮", "速干"]),
];

#[expect(clippy::too_many_arguments, reason = "a row of a table, one argument a column")]
const fn kind(
    department: usize,
    group: &'static str,
    leaf: &'static str,
    words: &'static str,
    specs: &'static str,
    price: (f32, f32),
    weight: f32,
    pace: Pace,
    season: Season,
    buyer: Buyer,
) -> Kind {
    Kind { department, group, leaf, words, specs, price, weight, pace, season, buyer }
}

/// All kinds, grouped by department.
#[rustfmt::skip]
pub const KINDS: [Kind; 80] = [
    kind(0, "尿裤湿巾", "纸尿裤", "纸尿裤 拉拉裤 环腰纸尿裤", "S码72片 M码64片 L码54片 XL码48片", (69.0, 239.0), 3.0, Cycle(21.0), Always, Baby),
    kind(0, "尿裤湿巾", "婴儿湿巾", "手口湿巾 柔湿巾 云柔巾", "80抽*5包 80抽*10包 20抽*10包", (19.9, 79.0), 2.0, Cycle(30.0), Always, Baby),
    kind(0, "奶粉辅食", "婴幼儿奶粉", "婴儿配方奶粉 较大婴儿奶粉 幼儿配方奶粉", "1段800g 2段800g 3段800g 3段400g", (118.0, 398.0), 2.5, Cycle(28.0), Always, Baby),
    kind(0, "奶粉辅食", "宝宝辅食", "米粉 果泥 肉松 磨牙棒", "90g*6袋 225g 120g", (15.9, 89.0), 1.5, Cycle(35.0), Always, Baby),
    kind(0, "喂养洗护", "奶瓶奶嘴", "PPSU奶瓶 玻璃奶瓶 学饮杯", "160ml 240ml 300ml", (39.0, 199.0), 0.7, Whim, Always, Baby),
    kind(0, "喂养洗护", "婴儿洗护", "洗发沐浴露 润肤乳 护臀膏", "50g 200ml 400ml", (29.0, 129.0), 0.9, Cycle(75.0), Always, Baby),
    kind(0, "童车玩具", "婴儿推车", "轻便推车 双向推车 遛娃车", "单向 双向 可登机", (299.0, 1999.0), 0.2, Once, Always, Baby),
    kind(0, "童车玩具", "益智玩具", "积木 绘本 拼图 早教机", "60粒 10册 48片 礼盒装", (29.0, 299.0), 0.9, Whim, Always, Baby),

    kind(1, "面部护肤", "面膜", "补水面膜 舒缓面膜 玻尿酸面膜", "5片 10片 20片", (29.0, 199.0), 2.0, Cycle(45.0), Always, Women),
    kind(1, "面部护肤", "洁面乳", "氨基酸洁面乳 洁面泡沫 洗面奶", "100g 120g 150ml", (29.0, 159.0), 1.5, Cycle(75.0), Always, Anyone),
    kind(1, "面部护肤", "精华液", "保湿精华 修护精华 烟酰胺精华", "15ml 30ml 50ml", (89.0, 699.0), 1.0, Cycle(90.0), Always, Women),
    kind(1, "面部护肤", "乳液面霜", "保湿面霜 水乳 特润霜", "50g 80ml 100ml", (59.0, 499.0), 1.2, Cycle(90.0), Winter, Women),
    kind(1, "防晒", "防晒霜", "防晒霜 防晒喷雾 隔离防晒乳", "SPF50+50ml SPF50+80ml SPF30+60ml", (49.0, 259.0), 1.5, Cycle(50.0), Summer, Anyone),
    kind(1, "彩妆香水", "口红", "丝绒口红 唇釉 润唇膏", "3.2g 3.5g 礼盒装", (39.0, 329.0), 1.2, Whim, Always, Women),
    kind(1, "彩妆香水", "卸妆", "卸妆油 卸妆水 卸妆膏", "100g 200ml 400ml", (39.0, 199.0), 0.8, Cycle(70.0), Always, Women),
    kind(1, "彩妆香水", "化妆棉", "化妆棉 洗脸巾 美妆蛋", "80片 100片*3包 4只装", (9.9, 49.0), 0.8, Cycle(45.0), Always, Women),

    kind(2, "洗发护发", "洗发水", "洗发水 去屑洗发露 蓬松洗发水", "400ml 500ml 750ml", (29.0, 129.0), 2.0, Cycle(55.0), Always, Anyone),
    kind(2, "洗发护发", "护发素", "护发素 发膜 护发精油", "100ml 300ml 500ml", (29.0, 129.0), 1.0, Cycle(70.0), Always, Women),
    kind(2, "身体清洁", "沐浴露", "沐浴露 沐浴油 香皂", "500ml 750ml 1L", (19.0, 109.0), 1.5, Cycle(50.0), Always, Anyone),
    kind(2, "口腔护理", "牙膏", "牙膏 防蛀牙膏 益生菌牙膏", "100g 120g*3支 180g", (9.9, 69.0), 1.6, Cycle(45.0), Always, Anyone),
    kind(2, "口腔护理", "牙刷", "软毛牙刷 宽头牙刷 电动牙刷头", "2支装 4支装 8支装", (9.9, 79.0), 1.2, Cycle(80.0), Always, Anyone),
    kind(2, "女性护理", "卫生巾", "日用卫生巾 夜用卫生巾 安睡裤", "240mm*30片 290mm*20片 6条装", (15.0, 79.0), 1.8, Cycle(28.0), Always, Women),
    kind(2, "剃须护理", "剃须刀片", "剃须刀片 剃须泡沫 手动剃须刀", "2片 4片 200ml", (19.0, 139.0), 0.7, Cycle(60.0), Always, Men),

    kind(3, "坚果炒货", "坚果", "每日坚果 夏威夷果 巴旦木 瓜子", "30包 250g 500g", (15.9, 139.0), 1.8, Cycle(35.0), Always, Anyone),
    kind(3, "坚果炒货", "年货礼盒", "坚果礼盒 零食大礼包 糖果礼盒", "1280g 1588g 9袋装", (59.0, 298.0), 1.2, Whim, SpringFestival, Anyone),
    kind(3, "饼干糕点", "饼干", "苏打饼干 曲奇 威化", "200g 400g 1kg", (8.9, 59.0), 1.6, Whim, Always, Anyone),
    kind(3, "饼干糕点", "月饼", "广式月饼 流心月饼 冰皮月饼", "8枚礼盒 6枚礼盒 散装500g", (29.0, 398.0), 1.6, Whim, MidAutumn, Anyone),
    kind(3, "饼干糕点", "粽子", "鲜肉粽 蛋黄粽 豆沙粽", "100g*10只 礼盒装1200g", (29.0, 198.0), 1.2, Whim, DragonBoat, Anyone),
    kind(3, "膨化糖巧", "薯片", "薯片 虾条 爆米花", "75g 104g*3罐 大礼包", (5.9, 49.0), 1.7, Whim, Always, Anyone),
    kind(3, "膨化糖巧", "巧克力", "黑巧克力 夹心巧克力 软糖", "100g 180g 礼盒装", (9.9, 129.0), 1.2, Whim, Winter, Anyone),
    kind(3, "肉干蜜饯", "肉干", "牛肉干 猪肉脯 鸭脖", "100g 200g 500g", (12.9, 99.0), 1.3, Whim, Always, Anyone),

    kind(4, "米面杂粮", "大米", "东北大米 长粒香米 丝苗米", "2.5kg 5kg 10kg", (19.9, 149.0), 2.0, Cycle(30.0), Always, Anyone),
    kind(4, "米面杂粮", "面粉", "高筋面粉 中筋面粉 饺子粉", "1kg 2.5kg 5kg", (8.9, 49.0), 1.0, Cycle(55.0), Always, Anyone),
    kind(4, "米面杂粮", "酵母", "高活性干酵母 泡打粉", "5g*10袋 100g", (5.9, 19.9), 0.25, Whim, Always, Anyone),
    kind(4, "食用油", "食用油", "花生油 菜籽油 玉米油 橄榄油", "1.8L 4L 5L", (29.9, 189.0), 1.4, Cycle(60.0), Always, Anyone),
    kind(4, "调味品", "酱油", "生抽 老抽 蒸鱼豉油", "500ml 1L 1.9L", (6.9, 39.0), 1.1, Cycle(70.0), Always, Anyone),
    kind(4, "调味品", "醋", "香醋 陈醋 米醋", "500ml 800ml", (5.9, 29.0), 0.7, Cycle(90.0), Always, Anyone),
    kind(4, "调味品", "火锅底料", "牛油火锅底料 番茄火锅底料 菌汤底料", "150g 300g 500g", (9.9, 49.0), 1.2, Whim, Winter, Anyone),
    kind(4, "方便食品", "方便面", "方便面 螺蛳粉 酸辣粉", "5连包 6桶装 300g*3袋", (9.9, 59.0), 1.4, Cycle(25.0), Always, Anyone),

    kind(5, "乳品蛋品", "牛奶", "纯牛奶 鲜牛奶 高钙奶", "250ml*12盒 250ml*24盒 950ml", (19.9, 99.0), 2.2, Cycle(14.0), Always, Anyone),
    kind(5, "乳品蛋品", "酸奶", "风味酸奶 无蔗糖酸奶 希腊酸奶", "100g*8杯 200g*12盒 720g", (12.9, 79.0), 1.5, Cycle(18.0), Always, Anyone),
    kind(5, "乳品蛋品", "鸡蛋", "谷物鸡蛋 土鸡蛋 可生食鸡蛋", "10枚 20枚 30枚", (12.9, 69.0), 1.7, Cycle(16.0), Always, Anyone),
    kind(5, "新鲜水果", "水果", "苹果 橙子 蓝莓 车厘子", "1kg 2.5kg 5kg 125g*4盒", (15.9, 169.0), 2.0, Whim, Always, Anyone),
    kind(5, "肉禽海鲜", "肥牛羊肉卷", "肥牛卷 羊肉卷 牛肉片", "250g 500g 500g*2", (29.9, 129.0), 1.1, Whim, Winter, Anyone),
    kind(5, "速冻食品", "丸滑", "虾滑 牛肉丸 鱼豆腐", "150g 250g 500g", (12.9, 69.0), 0.9, Whim, Winter, Anyone),
    kind(5, "速冻食品", "水饺", "猪肉水饺 虾仁水饺 荠菜馄饨", "480g 600g 1kg", (15.9, 69.0), 1.2, Cycle(30.0), Always, Anyone),
    kind(5, "速冻食品", "冰淇淋", "雪糕 冰淇淋杯 棒冰", "6支 8杯 70g*10支", (15.9, 89.0), 1.2, Whim, Summer, Anyone),

    kind(6, "饮料", "饮用水", "矿泉水 纯净水 天然水", "550ml*24瓶 1.5L*12瓶 4L*4桶", (19.9, 69.0), 1.6, Cycle(25.0), Summer, Anyone),
    kind(6, "饮料", "茶饮气泡水", "无糖茶 气泡水 柠檬茶", "500ml*15瓶 480ml*12瓶 330ml*6罐", (19.9, 79.0), 1.6, Cycle(25.0), Summer, Anyone),
    kind(6, "冲调", "咖啡", "挂耳咖啡 冻干咖啡 咖啡豆", "10包 24颗 454g", (29.0, 199.0), 1.4, Cycle(30.0), Always, Anyone),
    kind(6, "冲调", "咖啡伴侣", "咖啡奶球 滤纸 厚椰乳", "10ml*40粒 100张 1L", (9.9, 49.0), 0.4, Whim, Always, Anyone),
    kind(6, "茶叶", "茶叶", "龙井 普洱 茉莉花茶 铁观音", "100g 250g 礼盒装", (39.0, 499.0), 0.9, Cycle(75.0), Always, Anyone),
    kind(6, "酒类", "白酒", "浓香型白酒 酱香型白酒 清香型白酒", "500ml 500ml*2瓶 礼盒装", (59.0, 899.0), 0.7, Whim, SpringFestival, Men),
    kind(6, "酒类", "啤酒", "精酿啤酒 白啤 黄啤", "330ml*6罐 500ml*12罐 500ml*24罐", (29.9, 139.0), 1.2, Cycle(25.0), Summer, Men),

    kind(7, "衣物清洁", "洗衣液", "洗衣液 洗衣凝珠 内衣洗衣液", "2kg 3kg*2瓶 50颗", (19.9, 99.0), 1.8, Cycle(45.0), Always, Anyone),
    kind(7, "衣物清洁", "柔顺剂", "衣物柔顺剂 留香珠 除菌液", "1L 2L 200g", (19.9, 69.0), 0.7, Whim, Always, Anyone),
    kind(7, "纸品", "抽纸", "抽纸 卷纸 厨房纸", "100抽*18包 120抽*24包 140g*12卷", (15.9, 69.0), 2.2, Cycle(30.0), Always, Anyone),
    kind(7, "厨卫清洁", "洗洁精", "洗洁精 果蔬净 洗碗机洗碗块", "1kg 1.5kg*2瓶 30块", (9.9, 79.0), 1.1, Cycle(60.0), Always, Anyone),
    kind(7, "厨卫清洁", "清洁工具", "洗碗布 百洁布 平板拖把", "5片 10片 1套", (5.9, 89.0), 0.7, Whim, Always, Anyone),
    kind(7, "驱虫除湿", "驱蚊用品", "电热蚊香液 驱蚊喷雾 蚊帐", "45ml*3瓶 100ml 1.5m", (15.9, 99.0), 0.9, Whim, Summer, Anyone),

    kind(8, "猫咪", "猫粮", "冻干猫粮 成猫粮 幼猫粮", "1.5kg 5kg 10kg", (49.0, 399.0), 2.0, Cycle(32.0), Always, Cat),
    kind(8, "猫咪", "猫砂", "豆腐猫砂 膨润土猫砂 混合猫砂", "2.5kg*4袋 6L 10kg", (29.0, 129.0), 1.6, Cycle(24.0), Always, Cat),
    kind(8, "猫咪", "猫零食", "猫条 冻干零食 主食罐头", "15g*20支 80g 85g*12罐", (15.9, 129.0), 1.2, Cycle(28.0), Always, Cat),
    kind(8, "狗狗", "狗粮", "全价狗粮 小型犬粮 大型犬粮", "2kg 10kg 20kg", (49.0, 459.0), 1.8, Cycle(35.0), Always, Dog),
    kind(8, "狗狗", "狗零食", "鸡肉干 磨牙棒 洁齿骨", "200g 400g 500g", (15.9, 99.0), 1.1, Cycle(30.0), Always, Dog),
    kind(8, "狗狗", "尿垫牵引", "宠物尿垫 牵引绳 拾便袋", "50片 1.5m 20卷", (12.9, 89.0), 0.7, Whim, Always, Dog),

    kind(9, "手机配件", "手机", "5G手机 折叠屏手机 长续航手机", "8G+256G 12G+256G 16G+512G", (1299.0, 6999.0), 0.6, Once, Always, Anyone),
    kind(9, "手机配件", "手机壳", "手机壳 钢化膜 磁吸支架", "透明款 磨砂款 2片装", (9.9, 129.0), 0.7, Whim, Always, Anyone),
    kind(9, "手机配件", "耳机充电", "蓝牙耳机 充电宝 快充头", "20000mAh 65W 半入耳式", (49.0, 899.0), 1.0, Whim, Always, Anyone),
    kind(9, "厨房电器", "厨房小电", "空气炸锅 电饭煲 破壁机", "3L 4.5L 1.75L", (129.0, 999.0), 0.7, Once, Always, Anyone),
    kind(9, "生活电器", "风扇加湿", "循环扇 落地扇 加湿器", "3档 12档 4L", (79.0, 599.0), 0.6, Once, Summer, Anyone),
    kind(9, "个护电器", "吹风牙刷", "高速吹风机 电动牙刷 剃须刀", "单机 礼盒装 旅行装", (99.0, 1299.0), 0.6, Once, Always, Anyone),

    kind(10, "床上用品", "四件套", "四件套 床笠 枕套", "1.5m 1.8m 2m", (99.0, 799.0), 0.9, Once, Always, Anyone),
    kind(10, "床上用品", "被子", "羽绒被 大豆纤维被 蚕丝被", "150*200cm 200*230cm 220*240cm", (129.0, 1299.0), 0.8, Once, Winter, Anyone),
    kind(10, "收纳餐厨", "收纳用品", "收纳箱 衣架 抽屉分隔", "3只装 20只装 大号", (15.9, 129.0), 1.1, Whim, Always, Anyone),
    kind(10, "收纳餐厨", "杯壶", "保温杯 玻璃杯 焖烧壶", "350ml 500ml 1L", (29.0, 299.0), 1.0, Whim, Winter, Anyone),

    kind(11, "服装", "T恤", "T恤 衬衫 防晒衣", "S-XXL 修身款 宽松款", (39.0, 299.0), 1.4, Whim, Summer, Anyone),
    kind(11, "服装", "羽绒服", "羽绒服 毛衣 保暖内衣", "短款 长款 S-XXL", (99.0, 1299.0), 1.2, Whim, Winter, Anyone),
    kind(11, "运动", "羽毛球拍", "羽毛球拍 乒乓球拍 网球拍", "单拍 对拍 碳素款", (59.0, 699.0), 0.4, Once, Mild, Anyone),
    kind(11, "运动", "球类耗材", "羽毛球 手胶 护腕", "6只装 12只装 3条装", (19.0, 139.0), 0.5, Whim, Mild, Anyone),
];

const fn pair(of: &'static str, with: &'static str, probability: f32) -> Complement {
    Complement { of, with, probability }
}

/// Complements. The rarer leaf of a pair has the higher probability.
pub const COMPLEMENTS: [Complement; 30] = [
    pair("牙刷", "牙膏", 0.55),
    pair("牙膏", "牙刷", 0.25),
    pair("面粉", "酵母", 0.40),
    pair("酵母", "面粉", 0.70),
    pair("火锅底料", "肥牛羊肉卷", 0.45),
    pair("火锅底料", "丸滑", 0.35),
    pair("肥牛羊肉卷", "火锅底料", 0.40),
    pair("丸滑", "肥牛羊肉卷", 0.30),
    pair("水饺", "醋", 0.28),
    pair("洗发水", "护发素", 0.30),
    pair("护发素", "洗发水", 0.45),
    pair("纸尿裤", "婴儿湿巾", 0.30),
    pair("婴幼儿奶粉", "宝宝辅食", 0.18),
    pair("奶瓶奶嘴", "婴幼儿奶粉", 0.35),
    pair("卸妆", "化妆棉", 0.45),
    pair("洁面乳", "化妆棉", 0.12),
    pair("精华液", "乳液面霜", 0.30),
    pair("防晒霜", "卸妆", 0.15),
    pair("咖啡", "咖啡伴侣", 0.35),
    pair("咖啡伴侣", "咖啡", 0.55),
    pair("洗衣液", "柔顺剂", 0.28),
    pair("柔顺剂", "洗衣液", 0.40),
    pair("洗洁精", "清洁工具", 0.30),
    pair("猫粮", "猫零食", 0.30),
    pair("猫砂", "猫粮", 0.15),
    pair("狗粮", "狗零食", 0.35),
    pair("手机", "手机壳", 0.60),
    pair("羽毛球拍", "球类耗材", 0.65),
    pair("四件套", "被子", 0.15),
    pair("啤酒", "肉干", 0.15),
];

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn leaves_are_unique_and_grouped_by_department() {
        let mut leaves: Vec<_> = KINDS.iter().map(|k| k.leaf).collect();
        leaves.sort_unstable();
        leaves.dedup();
        assert_eq!(leaves.len(), KINDS.len());
        assert!(KINDS.is_sorted_by_key(|k| k.department));
        assert_eq!(KINDS.last().unwrap().department + 1, DEPARTMENTS.len());
    }

    #[test]
    fn every_complement_names_two_known_leaves() {
        for c in COMPLEMENTS {
            for leaf in [c.of, c.with] {
                assert!(KINDS.iter().any(|k| k.leaf == leaf), "{leaf} is no kind");
            }
        }
    }

    #[test]
    fn no_text_of_the_tables_needs_quoting_in_csv() {
        for k in KINDS {
            for text in [k.group, k.leaf, k.words, k.specs] {
                assert!(!text.contains([',', '"', '\n', '\r', '/']), "{text}");
            }
        }
    }
}
